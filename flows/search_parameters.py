"""The parameters of the flows `search` and `sensitivity`, and what is refused before any work."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.flows.parameters import PruneParameters, Seed
from secateur.flows.publish import PublishConfig
from secateur.importance.config import ImportanceConfig
from secateur.importance.names import BUILT_IN
from secateur.models.config import ModelConfig
from secateur.output import Destination, OutputFolder, locate, names_of
from secateur.output.inputs import inputs_of
from secateur.output.study import check_study
from secateur.schema import tell_bounds
from secateur.searching.config import BudgetConfig, Objective, SearchConfig
from secateur.searching.problem import check_patterns, usual_pattern
from secateur.searching.sensitivity_config import SensitivityConfig
from secateur.searching.target_config import SearchTarget
from secateur.sparsity.config import TargetConfig
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig

_STRICT = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)


def check_runtime() -> None:
    """Refuses to search by a latency that nothing here can measure.

    Raises:
        ValueError: One sentence.
    """
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise ValueError(
            "latency_ms is measured in LiteRT, which is not installed; install the extra `litert` "
            "with pip install 'secateur[litert]', or use flops."
        )


class SensitivityParameters(BaseModel):
    """Prune each layer alone at several ratios, and see what it does to the accuracy."""

    model_config = _STRICT

    dataset: DatasetConfig = Field(default=DatasetConfig(), description="The data.")
    model: ModelConfig = Field(default=ModelConfig(), description="The model.")
    train: TrainConfig = Field(default=TrainConfig(), description="Training of the dense model.")
    importance: ImportanceConfig = Field(
        default=ImportanceConfig(), description="What a weight is worth."
    )
    target: SearchTarget = Field(default=SearchTarget(), description="What may go, and where.")
    sensitivity: SensitivityConfig = Field(
        default=SensitivityConfig(), description="How the effect of each layer is measured."
    )
    seed: Seed = Field(default=0, description="One integer for everything.")
    output: OutputFolder = Field(default=Path("out"), description="The folder of the results.")

    @model_validator(mode="after")
    def _choose_pattern(self) -> Self:
        if not self.target.pattern:
            target = self.target.model_copy(update={"pattern": (self._usual_pattern(),)})
            self.__dict__["target"] = target  # a frozen model lets nothing else through
        return self

    def _usual_pattern(self) -> str:
        return "weight"

    def check(self) -> list[PruneParameters]:
        """Refuses what can be known to fail before any work.

        Returns:
            For each pattern the parameters of a run with it, resolved.

        Raises:
            ValueError: One sentence.
        """
        self._check_choices()
        found = [self.to_prune(target) for target in self.target.targets()]
        for parameters in found:
            parameters.check_work()
        self.destination().check()
        return found

    def destination(self) -> Destination:
        """Where the results go."""
        inputs = tuple(inputs_of(self.model, self.dataset))
        return Destination(self.output, names_of("sensitivity"), inputs)

    def to_prune(self, target: TargetConfig, first: tuple[TargetConfig, ...] = ()):
        """Parameters of a run with this target, resolved."""
        return PruneParameters(
            dataset=self.dataset,
            model=self.model,
            train=self.train,
            importance=self.importance,
            target=target,
            first=first,
            correct=getattr(self, "correct", CorrectConfig()),
            fine_tune=getattr(self, "fine_tune", FineTuneConfig()),
            seed=self.seed,
            output=self.output,
        ).resolved()

    def _check_choices(self) -> None:
        known = BUILT_IN.get(self.importance.criterion)
        if known is not None and known.kind == "method":
            raise ValueError(
                f"importance.criterion {self.importance.criterion} gives no scores that layers "
                "could be compared by; use another, such as magnitude."
            )
        if self.dataset.outputs:
            raise ValueError(
                "dataset.outputs is given, but choices here go by the share of right answers of a "
                "single output; use secateur sweep instead."
            )
        if self.dataset.validation == 0:
            raise ValueError(
                "dataset.validation is 0, and every choice is made on the validation split; give "
                "a share, such as 0.1."
            )


class SearchParameters(SensitivityParameters):
    """Find the smallest, cheapest or fastest model within a drop of accuracy, or the most accurate
    one that fits."""

    model_config = _STRICT

    budget: BudgetConfig = Field(default=BudgetConfig(), description="What may be spent.")
    objective: Objective | None = Field(
        default=None,
        description="With budget.accuracy_drop: what shall be low. Default: bytes.",
    )
    search: SearchConfig = Field(default=SearchConfig(), description="How it looks.")
    correct: CorrectConfig = Field(
        default=CorrectConfig(), description="What is mended after each cut, without training."
    )
    fine_tune: FineTuneConfig = Field(
        default=FineTuneConfig(), description="Training of the pruned models."
    )
    publish: PublishConfig = Field(
        default=PublishConfig(), description="When results are written, and who is told."
    )
    workers: int = Field(
        default=1, ge=1, le=1024, description="Processes that run candidates on this machine."
    )

    @property
    def study(self) -> str:
        """Where the study is kept: a file from the root, or the URL of a data base."""
        given = self.search.study
        if given is not None and "://" in given:
            return given
        return str(
            locate(Path(given), "search.study") if given else locate(self.output) / "study.log"
        )

    def check(self) -> list[PruneParameters]:
        """As of a sensitivity; also refuses a file for a study that is none."""
        found = super().check()
        if self.search.strategy in ("tpe", "nsga2") and "://" not in self.study:
            check_study(Path(self.study))
        return found

    def destination(self) -> Destination:
        """Where the results go."""
        inputs = inputs_of(self.model, self.dataset)
        if self.search.study and "://" not in self.study:
            inputs.append(("search.study", self.study))
        return Destination(self.output, names_of("search"), tuple(inputs))

    @property
    def goals(self) -> str | None:
        """What shall be low; None where accuracy shall be high."""
        if self.budget.accuracy_drop is None:
            return None
        return self.objective or "bytes"

    @property
    def expected(self) -> int:
        """About how many trainings there will be."""
        usual = {"tpe": self.search.trials, "nsga2": self.search.trials, "bisection": 6}
        each = usual.get(self.search.strategy, 6 if self.budget.limits else 12)
        return each * self.search.seeds * len(self.target.pattern) + self.search.fresh_seeds

    def _check_choices(self) -> None:
        super()._check_choices()
        budget, limits = self.budget, self.budget.limits
        if budget.accuracy_drop is None and not limits:
            raise ValueError(
                "budget is missing: give budget.accuracy_drop, such as 0.005, or what the device "
                "can hold: budget.flops 0.4 (a share), budget.bytes 50KB or budget.latency_ms 2."
            )
        if budget.accuracy_drop is not None and limits:
            raise ValueError(
                "budget.accuracy_drop asks for the cheapest model, and "
                f"budget.{next(iter(limits))} for the most accurate; keep one of them."
            )
        if self.objective and limits:
            raise ValueError(
                f"objective is {self.objective}, but with budget.{next(iter(limits))} the most "
                "accurate model is looked for; leave objective out, or give budget.accuracy_drop."
            )
        self._check_patterns()
        self._check_rungs()
        if "latency_ms" in (self.goals, *limits):
            check_runtime()

    @property
    def _wanted(self) -> list[str]:
        """The costs in question."""
        return [self.goals] if self.goals else list(self.budget.limits)

    def _usual_pattern(self) -> str:
        return usual_pattern(self._wanted)

    def _check_patterns(self) -> None:
        check_patterns(self._wanted, self.target.targets(), "objective" if self.goals else "budget")

    def _check_rungs(self) -> None:
        rungs, epochs = self.search.rungs, self.fine_tune.epochs
        if list(rungs) != sorted(set(rungs)) or (rungs and rungs[-1] >= epochs):
            raise ValueError(
                f"search.rungs is {list(rungs)}; give rising numbers of epochs below "
                f"fine_tune.epochs ({epochs})."
            )
        if self.search.strategy in ("tpe", "nsga2"):
            if not epochs:
                raise ValueError(
                    f"search.strategy {self.search.strategy} compares candidates as they train, "
                    "but fine_tune.epochs is 0; give epochs, or use guided."
                )
            if self.fine_tune.dynamic.method != "none":
                raise ValueError(
                    f"search.strategy {self.search.strategy} trains candidates in parts, which "
                    f"fine_tune.dynamic {self.fine_tune.dynamic.method} does not allow; use guided."
                )
            if self.fine_tune.rewind != "none":
                raise ValueError(
                    f"search.strategy {self.search.strategy} trains candidates in parts, which "
                    f"fine_tune.rewind {self.fine_tune.rewind} does not allow; use guided."
                )
            if "layer" in self.target.pattern or any(":" in one for one in self.target.pattern):
                raise ValueError(
                    f"search.strategy {self.search.strategy} looks for a ratio for each layer, "
                    f"which pattern {','.join(self.target.pattern)} does not have; use guided."
                )
            try:
                import optuna  # noqa: F401
            except ImportError as error:
                raise ValueError(
                    f"search.strategy {self.search.strategy} needs the extra `search`; install it "
                    "with pip install 'secateur[search]', or use guided."
                ) from error
