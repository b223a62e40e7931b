"""All parameters of the flow `prune`, as one model: the groups of the rooms put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import check_dataset
from secateur.evaluation.runtimes.packages import check_installed
from secateur.export.config import ExportConfig
from secateur.flows.deadline import ABOUT, Deadline
from secateur.flows.publish import PublishConfig
from secateur.flows.rewinding import check_rewinding
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.models.sources import check_model
from secateur.output import Destination, OutputFolder, locate, names_of
from secateur.output.inputs import inputs_of
from secateur.schema import tell_bounds
from secateur.sparsity.combine import check_combination, check_dynamic
from secateur.sparsity.config import TargetConfig
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import check_objective
from secateur.training.regularizer_config import check_regularizer

DEFAULT_EPOCHS = 10

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]

ASIDE = frozenset({"output", "publish", "deadline"})
"""Parameters of a run that say nothing of what it computes."""


class PruneParameters(BaseModel):
    """Prune a Keras model: train or load it, score, prune, fine-tune, evaluate, report."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    dataset: DatasetConfig = Field(default=DatasetConfig(), description="The data.")
    model: ModelConfig = Field(default=ModelConfig(), description="The model to prune.")
    train: TrainConfig = Field(default=TrainConfig(), description="Training of the dense model.")
    importance: ImportanceConfig = Field(
        default=ImportanceConfig(), description="What a weight is worth."
    )
    target: TargetConfig = Field(description="How much to remove, and where.")
    first: tuple[TargetConfig, ...] = Field(
        default=(),
        max_length=8,
        description="Targets that the model is pruned by before, each followed by fine-tuning: "
        "first whole layers, then channels. Such mixtures are what `secateur search` finds.",
    )
    correct: CorrectConfig = Field(
        default=CorrectConfig(), description="What is mended after the cut, without training."
    )
    fine_tune: FineTuneConfig = Field(
        default=FineTuneConfig(), description="Training of the pruned model."
    )
    objective: ObjectiveConfig = Field(
        default=ObjectiveConfig(), description="What the model is for, and measured by."
    )
    export: ExportConfig = Field(
        default=ExportConfig(), description="In which formats the final model is written."
    )
    seed: Seed = Field(default=0, description="One integer for everything.")
    output: OutputFolder = Field(
        default=Path("out"), description="The folder of the run's results."
    )
    publish: PublishConfig = Field(
        default=PublishConfig(), description="When results are written, and who is told."
    )
    deadline: Deadline | None = Field(default=None, description=ABOUT)

    def resolved(self) -> PruneParameters:
        """The same with the defaults that depend on other fields filled in."""
        epochs = self.train.epochs
        if epochs is None:
            epochs = 0 if self.model.path else DEFAULT_EPOCHS
        seed = self.seed if self.fine_tune.seed is None else self.fine_tune.seed
        return self.model_copy(
            update={
                "train": self.train.model_copy(update={"epochs": epochs}),
                "target": self.target.settled(self.importance.criterion),
                "correct": self.correct.resolved(self.fine_tune.epochs),
                "fine_tune": self.fine_tune.model_copy(update={"seed": seed}),
                "output": locate(self.output),
            }
        )

    def check(self) -> None:
        """Refuses what can be known to fail without TensorFlow, the data or the model.

        Raises:
            ValueError: One sentence.
        """
        self.check_work()
        self.publish.check()
        self.destination().check()

    def destination(self) -> Destination:
        """Where the results go."""
        names = names_of("prune", self.export.formats, self.export.quantize)
        return Destination(self.output, names, tuple(inputs_of(self.model, self.dataset)))

    def check_work(self) -> None:
        """Likewise, of what a run computes, wherever its results go."""
        for target in (*self.first, self.target):
            check_combination(self.importance.criterion, target, self.importance.pool)
        self._check_first()
        if self.target.schedule == "gradual" and not self.fine_tune.epochs:
            raise ValueError(
                "target.schedule is 'gradual', which prunes during fine-tuning, but "
                "fine_tune.epochs is 0; give epochs, or use schedule one_shot or iterative."
            )
        check_rewinding(self.train, self.target, self.fine_tune, self.correct)
        check_regularizer(self.train.regularizer, "train", self.train.epochs or 0, False)
        check_regularizer(
            self.fine_tune.regularizer, "fine_tune", self.fine_tune.epochs, not self.target.cuts
        )
        check_dynamic(self.fine_tune.dynamic, self.target, self.fine_tune.epochs)
        check_dataset(self.dataset)
        check_model(self.model)
        check_objective(self.objective)
        if self.dataset.outputs and self.export.asked:
            raise ValueError(
                "export is given, but exported files are checked on a single output, and "
                "dataset.outputs names several; leave one of them out."
            )
        for format in self.export.formats:
            check_installed(format)

    def _check_first(self) -> None:
        for target in self.first:
            if not target.cuts:
                raise ValueError(
                    f"first has the pattern {target.pattern}, whose zeros the next fine-tuning "
                    "would not hold; in first use what is removed for good (channel, head or layer "
                    "by a ratio), and give the other as target."
                )
