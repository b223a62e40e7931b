"""Parameters of a search: what it may cost, what shall be small, and how it looks for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from secateur.schema import tell_bounds

Objective = Literal["bytes", "parameters", "flops", "latency_ms"]


class BudgetConfig(BaseModel):
    """What a search may spend: accuracy, or what the device can hold.

    Either `accuracy_drop`, and the search finds the model with the lowest objective; or one or more
    of the others, and it finds the most accurate model that keeps to all of them.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Budget"
    )

    accuracy_drop: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None,
        description="How much accuracy may be lost against the dense model, as a share: 0.005 is "
        "half a point. Decided on the validation split, with a margin for its uncertainty.",
    )
    flops: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="FLOPs of one example, as a share of the dense model's."
    )
    bytes: ByteSize | None = Field(
        default=None,
        ge=1,
        description="Size of the .keras file after gzip, such as 50KB.",
    )
    latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Median milliseconds of one example in LiteRT on one thread of this machine.",
    )

    @property
    def limits(self) -> dict[str, float]:
        """The limits on resources, by name."""
        names = ("flops", "bytes", "latency_ms")
        found = {name: getattr(self, name) for name in names}
        return {name: float(value) for name, value in found.items() if value is not None}


class SearchConfig(BaseModel):
    """How a search looks for the model."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Search"
    )

    strategy: Literal["bisection", "guided", "tpe", "nsga2"] = Field(
        default="guided",
        description="bisection (on one ratio for the whole model), guided (bisection along ratios "
        "by layer that cost equal marginal loss, from the sensitivity of the layers, then on one "
        "ratio as far as that costs less, then single layers of the best give up more), tpe "
        "(Optuna, ratios by layer), nsga2 (Optuna, ratios by layer for two objectives).",
    )
    seeds: int = Field(
        default=1, ge=1, le=100, description="Seeds of fine-tuning for each candidate."
    )
    fresh_seeds: int = Field(
        default=3,
        ge=1,
        le=100,
        description="New seeds that the winner is fine-tuned with before it is reported; if it "
        "does not keep the budget on them, the search goes on without it.",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="How sure a drop of accuracy has to be within the budget, and a candidate to "
        "be better than another (one-sided).",
    )
    trials: int = Field(
        default=30, ge=1, le=100_000, description="Candidates of tpe and nsga2, at most."
    )
    rungs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(),
        description="Strategies tpe and nsga2: epochs of fine-tuning after which the worse "
        "candidates are stopped (successive halving), such as 1,3. Default: a ninth and a third "
        "of fine_tune.epochs.",
    )
    study: str | None = Field(
        default=None,
        description="Strategies tpe and nsga2: where the study is kept, a file or the URL of a "
        "data base that several commands share. Default: study.log in the output folder.",
    )
