"""From the dense model to the smallest: targets of falling cost, with what each leaves.

Two ways: by one ratio for the whole model, and by equal marginal loss, where each layer gives up so
much that one more weight (or FLOP) would cost the same loss in every layer. The second is the
condition of Lagrange for the least sum of the layers' losses at a given cost.
"""

from __future__ import annotations

import bisect
import glob
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from secateur.searching.curves import Sensitivity, hull
from secateur.searching.prediction import Predictor
from secateur.searching.schema import Prediction, Waypoint, Waypoints
from secateur.searching.target_config import amount, by_layer
from secateur.sparsity.config import TargetConfig

STEP = 2 ** (-1 / 8)
"""Factor between the cost of a waypoint and the next."""
_LEAST = 1 / 128
_FINE = 0.01  # steps of a layer's ratio


def by_ratio(predictor: Predictor, target: TargetConfig, measure: str) -> Waypoints:
    """One ratio for the whole model, with the allocation of the target.

    Args:
        predictor: Of the model.
        target: Pattern, scope and allocation (a name); how much it removes is not read. Whole
            channels, heads and layers are removed by `measure`.
        measure: `nonzero`, `parameters` or `flops`.
    """
    if target.n_of_m:
        raise ValueError("a pattern N:M has no ratio; use by_loss")
    probe = amount(target, ratio=0.5)
    how = {"measure": measure if measure != "nonzero" else "parameters"} if probe.cuts else {}
    own = {} if isinstance(target.allocation, dict) else {"allocation": target.allocation}
    goals = [STEP**i for i in range(1, 200) if STEP**i >= _LEAST]
    made = (amount(target, ratio=round(1 - goal, 6), **how, **own) for goal in goals)
    dense = predictor.dense()
    points = [predictor.waypoint(each) for each in made]
    return _waypoints(predictor, measure, _falling(points, dense, measure))


def by_loss(
    predictor: Predictor, target: TargetConfig, measure: str, found: Sensitivity
) -> Waypoints:
    """Equal marginal loss in every layer, from the layers' curves.

    Args:
        predictor: Of the model that `found` was measured on.
        target: As in `by_ratio`; its allocation is not read.
        measure: `nonzero`, `parameters` or `flops`.
        found: The curves. With N:M the layers take the pattern one by one.

    Raises:
        ValueError: With pattern `layer`, which removes by one ratio only.
    """
    if target.pattern == "layer":
        raise ValueError("whole layers are removed by one ratio; use by_ratio")
    make = _by_scope(target) if target.n_of_m else partial(by_layer, target)
    steps = _walk(found, measure, target)
    known: dict[int, Waypoint] = {}

    def waypoint(number: int) -> Waypoint:
        if number not in known:
            ratios: dict[str, float] = {}
            for _, layer, ratio in steps[:number]:
                ratios[layer] = ratio
            each = make(ratios)
            known[number] = predictor.waypoint(each)
        return known[number]

    dense = predictor.dense()
    numbers = range(1, len(steps) + 1)
    points: list[Waypoint] = []
    if target.n_of_m:
        points = [waypoint(number) for number in numbers]
    else:
        whole = _cost(dense, measure)
        goal, low = whole * STEP, 1
        while low <= len(steps) and goal >= _LEAST * whole:
            place = bisect.bisect_left(
                numbers, -goal, lo=low - 1, key=lambda n: -_cost(waypoint(n).cost, measure)
            )
            if place == len(steps):
                break
            points.append(waypoint(place + 1))
            goal = min(goal, _cost(points[-1].cost, measure)) * STEP
            low = place + 2
    return _waypoints(predictor, measure, _falling(points, dense, measure))


def _waypoints(predictor: Predictor, measure: str, points: list[Waypoint]) -> Waypoints:
    timed = [p.model_copy(update={"latency": predictor.latency(p.target)}) for p in points]
    return Waypoints(dense=predictor.dense(), measure=measure, points=timed)


def _walk(found: Sensitivity, measure: str, target: TargetConfig) -> list[tuple[float, str, float]]:
    """Small steps (marginal loss, layer, its new ratio), those that cost the least loss first."""
    steps = []
    for place, curve in enumerate(found.curves):
        price = curve.parameters
        if measure == "flops" and curve.flops:
            price = curve.flops
        envelope = hull(curve, found.loss)
        if target.n_of_m:
            steps += [(rise / price, place, curve.layer, ratio) for ratio, rise in envelope[1:]]
            continue
        for (low, before), (high, after) in pairwise(envelope):
            slope = (after - before) / (high - low) / price
            parts = max(1, round((high - low) / _FINE))
            for part in range(1, parts + 1):
                ratio = round(low + (high - low) * part / parts, 6)
                steps.append((slope, place, curve.layer, ratio))
    steps.sort(key=lambda step: (step[0], step[3], step[1]))
    return [(slope, layer, ratio) for slope, _, layer, ratio in steps]


def _by_scope(target: TargetConfig) -> Callable[[dict[str, float]], TargetConfig]:
    return lambda ratios: amount(target, include=tuple(glob.escape(layer) for layer in ratios))


def _falling(points: list[Waypoint], dense: Prediction, measure: str) -> list[Waypoint]:
    """Those of them whose cost is below that of all before."""
    falling: list[Waypoint] = []
    last = _cost(dense, measure)
    for point in points:
        if _cost(point.cost, measure) < last:
            last = _cost(point.cost, measure)
            falling.append(point)
    return falling


def _cost(prediction: Prediction, measure: str) -> int:
    value = getattr(prediction, measure)
    if value is None:
        raise ValueError(
            "the FLOPs of this model cannot be counted, so it cannot be searched by them; use "
            "another objective or budget"
        )
    return value
