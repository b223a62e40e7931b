"""Which strategy a search asks, and what it starts from."""

from __future__ import annotations

import functools
import glob
import itertools
from collections.abc import Sequence

from secateur.flows.parameters import ASIDE, PruneParameters
from secateur.flows.pipeline import stage_runner
from secateur.flows.search_parameters import SearchParameters
from secateur.flows.search_wiring import Ground, wire_waypoints
from secateur.search.bisection import Bisection
from secateur.search.candidate import Strategy
from secateur.search.curves import Sensitivity
from secateur.search.goal import Goal
from secateur.search.halving import default_rungs
from secateur.search.polish import Polish
from secateur.search.schema import Waypoints
from secateur.search.target_config import by_layer
from secateur.search.turns import Turns
from secateur.sparsity.config import TargetConfig
from secateur.store import digest_of
from secateur.tasks.stage import read

_SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""Costs, as shares of the dense model's, of the trials that a study within a drop begins with."""
_BELOW = (1.0, 0.85, 0.7)
"""The same of one within limits, as shares of the limit."""


def make_strategy(
    p: SearchParameters,
    run: PruneParameters,
    ground: Ground,
    goal: Goal,
    sensitivity: Sensitivity,
    whole: dict[str, float],
) -> Strategy:
    """The strategy for one pattern.

    Args:
        p: Parameters of the search.
        run: Those of a run of `prune` with this pattern.
        ground: What it starts from.
        goal: Budget and objective up to here.
        sensitivity: The layers' curves.
        whole: The dense model's costs.
    """
    numbers = itertools.count()
    measure = _measure_for(run.target, goal)
    timed = "latency_ms" in (goal.objective, *goal.limits)

    def waypoints(way: str) -> Waypoints:
        found = wire_waypoints(run, ground, way, measure, timed, stage_runner(run)[0])
        text = (read(found).directory / "waypoints.json").read_text()
        return Waypoints.model_validate_json(text)

    def bisection(way: str) -> Bisection:
        found = waypoints(way)
        return Bisection(goal, found, numbers, _guess(found, goal, whole))

    if run.target.n_of_m:
        return bisection("loss")
    if p.search.strategy in ("tpe", "nsga2"):
        return _study(p, run, ground, goal, waypoints("loss"), sensitivity, whole)
    if p.search.strategy == "bisection" or run.target.pattern == "layer":
        return bisection("ratio")
    ways = Turns([bisection("loss"), bisection("ratio")])
    if goal.accuracy_drop is None:
        return ways
    return Polish(
        ways,
        goal,
        [curve for curve in sensitivity.curves if curve.points],
        functools.partial(by_layer, run.target),
        by_flops=measure == "flops",
        step=run.target.round_to,
        numbers=numbers,
    )


def _guess(found: Waypoints, goal: Goal, whole: dict[str, float]) -> int | None:
    """The first waypoint that a limit on latency is met at, by the table of this machine."""
    if "latency_ms" not in goal.limits:
        return None
    share = goal.limits["latency_ms"] / whole["latency_ms"]
    shares = [point.latency for point in found.points]
    return next((i for i, own in enumerate(shares) if own is not None and own <= share), None)


def _study(
    p: SearchParameters,
    run: PruneParameters,
    ground: Ground,
    goal: Goal,
    waypoints: Waypoints,
    sensitivity: Sensitivity,
    whole: dict[str, float],
) -> Strategy:
    from secateur.search.study import Study

    search, epochs = p.search, run.fine_tune.epochs
    cost = goal.objective or next(iter(goal.limits))
    shares: Sequence[float] = _SHARES
    if goal.limits:
        shares = [goal.limits[cost] / whole[cost] * part for part in _BELOW]
    layers = [curve.layer for curve in sensitivity.curves if curve.points]
    return Study(
        goal,
        functools.partial(by_layer, run.target),
        layers,
        starts(waypoints, layers, shares),
        method=search.strategy,
        trials=search.trials,
        rungs=(*search.rungs, epochs) if search.rungs else default_rungs(epochs),
        storage=p.study,
        name=_study_name(p, run, ground),
        cost=cost,
        dense=whole[cost],
        seed=run.seed,
    )


def _study_name(p: SearchParameters, run: PruneParameters, ground: Ground) -> str:
    """Of all that decides what a trial's outcome is, and what is looked for."""
    asked = p.model_dump(mode="json", include={"budget", "objective", "search"})
    for name in ("study", "trials", "fresh_seeds"):
        del asked["search"][name]
    own = run.model_dump(mode="json", exclude=set(ASIDE))
    return digest_of([asked, own, ground.model.digest, ground.sensitivity.digest])[:16]


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
