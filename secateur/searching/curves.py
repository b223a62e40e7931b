"""What pruning each layer alone does, as typed objects. Imports no TensorFlow."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(_Part):
    """A model of which one layer is pruned, on the validation split, without fine-tuning."""

    ratio: float = Field(description="Share of the layer that is removed; 1 for a whole layer.")
    accuracy: float = Field(description="Share of right answers.")
    loss: float = Field(description="Mean loss of an example.")
    examples: int = Field(
        description="Examples they stand on: fewer than all where the accuracy was too low early."
    )


class Curve(_Part):
    """One layer, or one group of layers whose channels go together.

    `parameters` and `flops` are those of the whole model that run through its channels; with
    patterns of weights they are its prunable weights and its FLOPs.
    """

    layer: str = Field(description="Path of the layer, or the name of a part that can go whole.")
    kind: str = Field(description="Class of the layer; with whole parts their kind.")
    units: int = Field(description="Weights, channels, heads or layers that can go.")
    parameters: int
    flops: int | None
    points: list[Point] = Field(description="By rising ratio.")


class Sensitivity(_Part):
    """What the stage `sensitivity` found out."""

    pattern: str
    accuracy: float = Field(description="Of the model as it is.")
    loss: float
    examples: int = Field(description="Validation examples that were looked at.")
    curves: list[Curve] = Field(description="In the order of the model.")
    notices: list[str] = Field(default_factory=list, description="What was left out, and why.")


_BEYOND = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


def hull(curve: Curve, dense_loss: float) -> list[tuple[float, float]]:
    """The lower convex envelope of a curve: pairs of ratio and rise of the loss, from (0, 0).

    A fall of the loss counts as no rise, so the slopes are at least 0, and they rise along the
    envelope: that is what equal marginal loss needs. Beyond the last ratio that was measured the
    loss is taken to rise in proportion to the logarithm of what is left.

    Args:
        curve: The curve of one layer.
        dense_loss: Loss of the model as it is.
    """
    points = [(0.0, 0.0)]
    points += [(p.ratio, max(0.0, p.loss - dense_loss)) for p in curve.points]
    envelope: list[tuple[float, float]] = []
    for point in points:
        while len(envelope) > 1 and _slope(*envelope[-2:]) >= _slope(envelope[-2], point):
            envelope.pop()
        envelope.append(point)
    if len(envelope) == 1 or envelope[-1][0] >= 1:
        return envelope
    last = envelope[-1][0]
    slope = _slope(*envelope[-2:])
    for ratio in _BEYOND:
        before, rise = envelope[-1]
        if ratio > before:
            steeper = slope * (1 - last) / (1 - ratio)
            envelope.append((ratio, rise + steeper * (ratio - before)))
    return envelope


def _slope(first: tuple[float, float], second: tuple[float, float]) -> float:
    return (second[1] - first[1]) / (second[0] - first[0])
