"""The effect of pruning each layer alone, without building a model for each point.

Weights are zeroed in the model itself and put back; its graph is traced once. Channels are zeroed
in all that makes and reads them, which is the same as removing them; whole layers are bypassed, and
only what follows them is computed again. (Li et al. 2017, "Pruning Filters for Efficient ConvNets",
section 3.2, draw such curves.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import UnknownFlops
from secateur.models.weights import weight_paths
from secateur.searching.curves import Curve, Point, Sensitivity
from secateur.searching.knobs import Knob, knobs
from secateur.searching.measuring import Measuring
from secateur.sparsity.config import TargetConfig
from secateur.structure.blocks import parts
from secateur.structure.layers import Costs, part_names
from secateur.structure.removal import selected

_MOST = 1e9


def sensitivity(
    model: keras.Model,
    scores: Mapping[str, np.ndarray] | None,
    target: TargetConfig,
    data: Any,
    *,
    loss: keras.losses.Loss,
    ratios: tuple[float, ...],
    stop: float = 0.3,
    examples: int | None = None,
    seed: int = 0,
) -> Sensitivity:
    """Measures the accuracy with each layer (or group of channels) pruned alone.

    Args:
        model: A built classifier; for channels, heads and layers Functional or Sequential. It is
            changed meanwhile, and ends as it was.
        scores: Weight path -> array of the weight's shape. Not read with pattern `layer`.
        target: Pattern, `include`, `exclude`, `pooling`, `floor` and `round_to`; how much it
            removes is not read.
        data: Validation data `(x, y)` as arrays.
        loss: Keras loss of the model's outputs.
        ratios: Rising shares of each layer that go; N:M and whole layers have one point.
        stop: A curve ends at the first point whose accuracy is certainly lower by more than this.
        examples: How many examples to look at, at most; None for all.
        seed: Seed of their draw and order.

    Returns:
        One curve a layer, in the order of the model.

    Raises:
        ValueError: If there are no examples, or nothing can be pruned.
    """
    measuring = Measuring(model, data, loss, examples=examples, seed=seed)
    dense = measuring.whole()
    least = dense.accuracy - stop
    notices: list[str] = []
    if target.pattern == "layer":
        curves = list(_layers(model, target, measuring, least))
    else:
        if not scores:
            raise ValueError("there are no scores to prune by; give those of a criterion")
        curves = []
        for knob in knobs(model, scores, target, notices):
            points = _points(model, knob, ratios, measuring, least)
            curves.append(
                Curve(
                    layer=knob.layer,
                    kind=knob.kind,
                    units=knob.units,
                    parameters=knob.parameters,
                    flops=knob.flops,
                    points=points,
                )
            )
    return Sensitivity(
        pattern=target.pattern,
        accuracy=dense.accuracy,
        loss=dense.loss,
        examples=dense.examples,
        curves=curves,
        notices=notices,
    )


def _points(
    model: keras.Model,
    knob: Knob,
    ratios: tuple[float, ...],
    measuring: Measuring,
    least: float,
) -> list[Point]:
    variables = dict(weight_paths(model))
    points: list[Point] = []
    before: Any = None
    for ratio in ratios if knob.steps else (knob.whole,):
        masks = knob.masks(ratio)
        if not masks:
            continue  # less than one unit
        key = {path: mask.tobytes() for path, mask in masks.items()}
        if key == before:
            points.append(points[-1].model_copy(update={"ratio": ratio}))
            continue
        before = key
        saved = {path: keras.ops.convert_to_numpy(variables[path].value) for path in masks}
        try:
            for path, mask in masks.items():
                variables[path].assign(saved[path] * mask)
            found = measuring.whole(least)
        finally:
            for path, value in saved.items():
                variables[path].assign(value)
        points.append(_point(ratio, found))
        if found.accuracy < least:
            break
    return points


def _layers(
    model: keras.Model, target: TargetConfig, measuring: Measuring, least: float
) -> Iterator[Curve]:
    free = [
        part
        for part in parts(model)
        if selected(part_names(model, part), target.include, target.exclude)
    ]
    if not free:
        raise ValueError(
            f"no layer of '{model.name}' that include and exclude leave can be removed whole; use "
            "another pattern"
        )
    costs = Costs(model)
    for part in free:
        found = measuring.without(part, least)
        yield Curve(
            layer=part.name,
            kind=part.kind,
            units=1,
            parameters=costs.parameters({}) - costs.parameters(part.bypass),
            flops=_saved(costs, part),
            points=[_point(1.0, found)],
        )


def _saved(costs: Costs, part: Any) -> int | None:
    try:
        return costs.flops({}) - costs.flops(part.bypass)
    except UnknownFlops:
        return None


def _point(ratio: float, found: Any) -> Point:
    loss = found.loss if np.isfinite(found.loss) else _MOST
    return Point(ratio=ratio, accuracy=found.accuracy, loss=loss, examples=found.examples)
