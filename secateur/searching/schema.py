"""What a search predicts and measures, as typed objects. Imports no TensorFlow."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from secateur.sparsity.config import TargetConfig


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prediction(_Part):
    """What a pruned model costs: exactly, from the graph and the masks alone."""

    parameters: int = Field(description="All weights, biases and statistics.")
    nonzero: int = Field(description="Prunable weights that are not zero.")
    flops: int | None = Field(description="FLOPs of one example; null where not countable.")


class Costs(Prediction):
    """What a model costs once it is there, in the units of a search's objectives."""

    bytes: int = Field(description="Of the .keras file, after gzip.")


class Waypoint(_Part):
    """A target, and what it leaves of the model."""

    target: TargetConfig
    cost: Prediction
    layers: dict[str, float] = Field(
        default_factory=dict,
        description="Share of each layer's weights or channels that goes; empty for whole layers.",
    )
    latency: float | None = Field(
        None, description="Share of the dense model's latency, by the table of this machine."
    )


class Waypoints(_Part):
    """Targets by falling cost, from one that leaves nearly all."""

    dense: Prediction
    measure: str = Field(description="The cost that falls: nonzero, parameters or flops.")
    points: list[Waypoint]
