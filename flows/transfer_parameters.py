"""All parameters of the flow `transfer`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import check_dataset
from secateur.flows.deadline import ABOUT, Deadline
from secateur.flows.parameters import Seed
from secateur.flows.publish import PublishConfig
from secateur.importance.config import ImportanceConfig
from secateur.models.pruned_source import source_file
from secateur.output import Destination, OutputFolder, locate, names_of
from secateur.output.inputs import inputs_of
from secateur.schema import tell_bounds
from secateur.sparsity.combine import check_combination
from secateur.sparsity.config import TargetConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.transfer_config import TransferConfig


class TransferParameters(BaseModel):
    """Move a pruned model to another data set: a new head, its zeros held, beside a fresh start."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    transfer: TransferConfig = Field(description="The pruned model, and what may change of it.")
    dataset: DatasetConfig = Field(
        default=DatasetConfig(name="digits"), description="The data of the new task."
    )
    fine_tune: FineTuneConfig = Field(
        default=FineTuneConfig(), description="Training on the new task."
    )
    target: TargetConfig | None = Field(
        default=None,
        description="Prune further on the new task: how much in all, and where. Empty: the zeros "
        "that the model came with.",
    )
    importance: ImportanceConfig = Field(
        default=ImportanceConfig(),
        description="What a weight is worth, where it is pruned further.",
    )
    seed: Seed = Field(default=0, description="One integer for everything.")
    output: OutputFolder = Field(
        default=Path("out"), description="The folder of the run's results."
    )
    publish: PublishConfig = Field(
        default=PublishConfig(), description="When results are written, and who is told."
    )
    deadline: Deadline | None = Field(default=None, description=ABOUT)

    def resolved(self) -> TransferParameters:
        """The same with the defaults that depend on other fields filled in."""
        seed = self.seed if self.fine_tune.seed is None else self.fine_tune.seed
        return self.model_copy(
            update={
                "fine_tune": self.fine_tune.model_copy(update={"seed": seed}),
                "output": locate(self.output),
            }
        )

    def check(self) -> None:
        """Refuses what can be known to fail without TensorFlow, the data or the model.

        Raises:
            ValueError: One sentence.
        """
        source_file(self.transfer.source)
        if self.target is not None:
            check_combination(self.importance.criterion, self.target, self.importance.pool)
            if self.target.schedule != "one_shot" or self.target.cuts:
                raise ValueError(
                    "target of a transfer sets weights to zero in one go; for other schedules, or "
                    "to remove channels, run `secateur prune` on the model that the transfer gives."
                )
        if self.dataset.outputs:
            raise ValueError(
                "dataset.outputs is given, but a new head is made for a single output; give "
                "dataset.target and dataset.task instead."
            )
        check_dataset(self.dataset)
        self.destination().check()

    def destination(self) -> Destination:
        """Where the results go."""
        source = ("transfer.source", str(source_file(self.transfer.source)))
        inputs = (source, *inputs_of(None, self.dataset))
        return Destination(self.output, names_of("transfer"), inputs)
