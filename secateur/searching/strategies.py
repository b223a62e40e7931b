"""Which strategy a search asks, and what it starts from."""

from __future__ import annotations

import functools
import glob
import itertools
from collections.abc import Mapping, Sequence

from secateur.searching.bisection import Bisection
from secateur.searching.candidate import Strategy
from secateur.searching.goal import Goal
from secateur.searching.halving import default_rungs
from secateur.searching.polish import Polish
from secateur.searching.problem import Problem, Start
from secateur.searching.schema import Waypoints
from secateur.searching.target_config import by_layer
from secateur.searching.turns import Turns
from secateur.sparsity.config import TargetConfig

_SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""Costs, as shares of the dense model's, of the trials that a study within a drop begins with."""
_BELOW = (1.0, 0.85, 0.7)
"""The same of one within limits, as shares of the limit."""


def make_strategy(
    problem: Problem, start: Start, goal: Goal, dense: Mapping[str, float | None]
) -> Strategy:
    """The strategy for one pattern.

    Args:
        problem: What the search is asked for.
        start: What it starts from with this pattern.
        goal: Budget and objective up to here.
        dense: The dense model's costs.
    """
    numbers = itertools.count()
    target, strategy = start.target, problem.search.strategy
    measure = _measure_for(target, goal)
    waypoints = functools.partial(start.waypoints, measure=measure, timed=problem.timed)

    def bisection(order: str) -> Bisection:
        found = waypoints(order)
        return Bisection(goal, found, numbers, _guess(found, goal, dense))

    if target.n_of_m:
        return bisection("loss")
    if strategy in ("tpe", "nsga2"):
        return _study(problem, start, goal, waypoints("loss"), dense)
    if strategy == "bisection" or target.pattern == "layer":
        return bisection("ratio")
    both = Turns([bisection("loss"), bisection("ratio")])
    if goal.accuracy_drop is None:
        return both
    return Polish(
        both,
        goal,
        [curve for curve in start.sensitivity.curves if curve.points],
        functools.partial(by_layer, target),
        by_flops=measure == "flops",
        step=target.round_to,
        numbers=numbers,
    )


def _guess(found: Waypoints, goal: Goal, dense: Mapping[str, float | None]) -> int | None:
    """The first waypoint that a limit on latency is met at, by the table of this machine."""
    if "latency_ms" not in goal.limits:
        return None
    share = goal.limits["latency_ms"] / _known(dense, "latency_ms")
    shares = [point.latency for point in found.points]
    return next((i for i, own in enumerate(shares) if own is not None and own <= share), None)


def _study(
    problem: Problem,
    start: Start,
    goal: Goal,
    waypoints: Waypoints,
    dense: Mapping[str, float | None],
) -> Strategy:
    from secateur.searching.study import Study

    search, epochs = problem.search, problem.epochs
    cost = goal.objective or next(iter(goal.limits))
    whole = _known(dense, cost)
    shares: Sequence[float] = _SHARES
    if goal.limits:
        shares = [goal.limits[cost] / whole * part for part in _BELOW]
    layers = [curve.layer for curve in start.sensitivity.curves if curve.points]
    assert problem.storage is not None
    return Study(
        goal,
        functools.partial(by_layer, start.target),
        layers,
        starts(waypoints, layers, shares),
        method=search.strategy,
        trials=search.trials,
        rungs=(*search.rungs, epochs) if search.rungs else default_rungs(epochs),
        storage=problem.storage,
        name=start.digest[:16],
        cost=cost,
        dense=whole,
        seed=problem.seed,
    )


def _known(costs: Mapping[str, float | None], name: str) -> float:
    cost = costs[name]
    if cost is None:
        raise ValueError(
            f"the {name} of this model cannot be counted, so it cannot be searched by them; use "
            "another objective or budget."
        )
    return cost


def starts(
    waypoints: Waypoints, layers: Sequence[str], shares: Sequence[float]
) -> list[dict[str, float]]:
    """Ratios by layer of the waypoints whose costs come nearest to some shares of the whole."""
    measure, whole = waypoints.measure, getattr(waypoints.dense, waypoints.measure)
    found = []
    for share in shares if waypoints.points else ():
        nearest = min(waypoints.points, key=lambda w: abs(getattr(w.cost, measure) - share * whole))
        given = nearest.target.allocation
        assert isinstance(given, dict)
        found.append({layer: given.get(glob.escape(layer), 0.0) for layer in layers})
    return found


def _measure_for(target: TargetConfig, goal: Goal) -> str:
    """What waypoints are ordered by: what can be predicted and goes with the costs in question."""
    if not target.cuts:
        return "nonzero"
    wanted: Sequence[str] = [goal.objective] if goal.objective else list(goal.limits)
    return "flops" if {"flops", "latency_ms"} & set(wanted) else "parameters"
