"""The steps of a search: for each pattern a strategy that asks, and trials that answer."""

from __future__ import annotations

import functools
import glob
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from flows.candidates import Trials, mean_costs, validated
from flows.parameters import PruneParameters
from flows.pipeline import find_through, stage_runner
from flows.search_parameters import SearchParameters
from flows.search_wiring import (
    Ground,
    wire_candidate,
    wire_dense,
    wire_sensitivity,
    wire_waypoints,
)
from secateur.search.bisection import Bisection
from secateur.search.candidate import Outcome, Strategy
from secateur.search.curves import Sensitivity
from secateur.search.goal import Goal
from secateur.search.halving import default_rungs
from secateur.search.schema import Waypoints
from secateur.search.target_config import by_layer
from secateur.search.turns import Turns
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from tasks.evaluate import evaluate
from tasks.latency import latency
from tasks.search_report import Final, Found, StepFound
from tasks.stage import read

_FRESH = 1000
"""The seed of the first fresh training, above that of the search."""
_RETRIED = 5
"""How many candidates are tried on fresh seeds before the search gives up."""


class Searching:
    """One search as it goes on: what is fixed already, and what was tried.

    Args:
        p: All parameters.
        run: Those of a run of `prune` with the first pattern.
        pool: A pool of processes, or None for this one.
        count: Told each training that is done.
    """

    def __init__(
        self,
        p: SearchParameters,
        run: PruneParameters,
        pool: Any,
        count: Callable[[str, str | None], None],
    ):
        self._p, self._run, self._pool, self._count = p, run, pool, count
        self._data, self._model, validation = wire_dense(run, stage_runner(run)[0])
        self._right, self._costs = validated(validation)
        self._fixed: list[TargetConfig] = []
        self._steps: list[StepFound] = []
        self._trials: list[Trials] = []
        self._notices: list[str] = []
        self._seeds = [self._seed + k for k in range(p.search.seeds)]

    @property
    def _seed(self) -> int:
        given = self._p.fine_tune.seed
        return self._p.seed if given is None else given

    def step(self, place: int, run: PruneParameters) -> None:
        """Searches with one pattern, from what the steps before have left."""
        p = run.model_copy(update={"first": tuple(self._fixed)})
        several = len(self._p.target.pattern) > 1
        try:
            ground = wire_sensitivity(p, self._p.sensitivity, stage_runner(p)[0])
        except ValueError as error:
            if not several:
                raise
            self._notices.append(f"Pattern {p.target.pattern} was left out: {error}")
            return
        text = (read(ground.sensitivity).directory / "sensitivity.json").read_text()
        sensitivity = Sensitivity.model_validate_json(text)
        goal = self._goal(place)
        trials = Trials(p, self._right, self._pool, self._count, self._measure)
        strategy = self._strategy(p, ground, goal, sensitivity)
        told: dict[int, Outcome] = {}
        while asked := strategy.ask(max(1, self._p.workers // len(self._seeds))):
            for outcome in trials.run(asked, self._seeds):
                strategy.tell(outcome)
                told[outcome.candidate.number] = outcome
        outcomes = [_finished(outcome, strategy) for _, outcome in sorted(told.items())]
        ranked = goal.ranked(outcomes)
        step = StepFound(p.target.pattern, goal, sensitivity, outcomes, ranked)
        self._steps.append(step)
        self._trials.append(trials)
        self._notices += sensitivity.notices
        if ranked:
            step.chosen = ranked[0].candidate.number
            self._fixed.append(ranked[0].candidate.target)
        elif several:
            self._notices.append(
                f"With pattern {p.target.pattern} nothing keeps the budget; {_nearest(step)}"
            )

    def finish(self) -> Found:
        """Trains the winner with fresh seeds; one that fails on them gives way to the next.

        Raises:
            RuntimeError: If nothing keeps the budget; the sentence says what comes nearest.
        """
        seeds = [self._seed + _FRESH + k for k in range(self._p.search.fresh_seeds)]
        failed: str | None = None
        for step, trials in zip(self._steps[::-1], self._trials[::-1], strict=True):
            for outcome in step.ranked[:_RETRIED]:
                whole = replace(outcome.candidate, rungs=())
                (fresh,) = trials.run([whole], seeds)
                if step.goal.keeps(fresh):
                    step.chosen = outcome.candidate.number
                    return self._found(fresh, trials, step, seeds)
                failed = f"{outcome.candidate.name} {_missed(step.goal, fresh)}"
                self._notices.append(f"On fresh seeds {failed}; the next one was taken.")
        why = failed or (_nearest(self._steps[-1]) if self._steps else self._notices[-1])
        raise RuntimeError(f"no model that was tried keeps the budget: {why}")

    def _found(self, fresh: Outcome, trials: Trials, step: StepFound, seeds: list[int]) -> Found:
        finals = [self._final(trials.parameters(fresh.candidate, seed), seed) for seed in seeds]
        accuracy = [run.mean() for run in fresh.right]
        best = finals[int(np.argmax(accuracy))]
        dense = stage_runner(trials.base)[0](
            evaluate, data=self._data, model=self._model, subject="dense"
        )
        return Found(
            objective=self._p.goals,
            dense_right=self._right,
            dense_costs=mean_costs([{**self._costs, **self._measure(self._model)}]),
            dense_evaluation=dense,
            steps=self._steps,
            step=self._steps.index(step),
            fresh=fresh,
            finals=finals,
            best=best,
            notices=list(dict.fromkeys(self._notices)),
        )

    def _final(self, parameters: PruneParameters, seed: int) -> Final:
        found = find_through(wire_candidate, parameters)
        assert found is not None
        run = stage_runner(parameters)[0]
        evaluation = run(evaluate, data=found[0], model=found[1], subject="fine_tuned")
        own = {**validated(found[2])[1], **self._measure(found[1])}
        config = parameters.model_dump(mode="json", exclude={"output", "publish"})
        return Final(seed, config, found[1], evaluation, own)

    def _goal(self, place: int) -> Goal:
        """The budget up to here: each pattern gets an equal share of it."""
        p, share = self._p, (place + 1) / len(self._p.target.pattern)
        allowed = p.budget.accuracy_drop
        limits = {}
        for name, limit in p.budget.limits.items():
            whole = self._whole(name)
            if name == "flops":
                limit = limit * whole
            limits[name] = whole * (min(1.0, limit / whole) ** self._part(name, place))
        return Goal(
            objective=p.goals,
            accuracy_drop=None if allowed is None else allowed * share,
            limits=limits,
            confidence=p.search.confidence,
        )

    def _part(self, name: str, place: int) -> float:
        """How much of the way to a limit lies behind after this pattern."""
        lowers = [name == "bytes" or t.cuts for t in self._p.target.targets()]
        return sum(lowers[: place + 1]) / sum(lowers)

    def _whole(self, name: str) -> float:
        costs = {**self._costs, **self._measure(self._model)}
        if costs[name] is None:
            raise ValueError(
                f"the {name} of this model cannot be counted, so they cannot be kept to a budget; "
                "use another budget."
            )
        return float(costs[name])

    def _measure(self, model: Reference) -> Mapping[str, float]:
        """Milliseconds, where they count: in units of the dense model's, which takes turns."""
        if "latency_ms" not in (self._p.goals, *self._p.budget.limits):
            return {}
        found = [self._timed(self._model), self._timed(model)]
        return {"latency_ms": found[0]["dense"] * found[1]["model"] / found[1]["dense"]}

    def _timed(self, model: Reference) -> dict[str, float]:
        run = stage_runner(self._run)[0]
        folder = read(run(latency, dense=self._model, model=model)).directory
        return json.loads((folder / "latency.json").read_text())

    def _strategy(
        self, p: PruneParameters, ground: Ground, goal: Goal, sensitivity: Sensitivity
    ) -> Strategy:
        numbers = itertools.count()
        measure = _measure_for(p.target, goal)

        def bisection(way: str) -> Bisection:
            found = wire_waypoints(p, ground, way, measure, stage_runner(p)[0])
            return Bisection(goal, _waypoints(found), numbers)

        if p.target.n_of_m:
            return bisection("loss")
        if self._p.search.strategy in ("tpe", "nsga2"):
            found = wire_waypoints(p, ground, "loss", measure, stage_runner(p)[0])
            return self._study(p, ground, goal, _waypoints(found), sensitivity)
        if self._p.search.strategy == "bisection" or p.target.pattern == "layer":
            return bisection("ratio")
        if goal.accuracy_drop is not None:
            return bisection("loss")
        return Turns([bisection("loss"), bisection("ratio")])

    def _study(
        self,
        p: PruneParameters,
        ground: Ground,
        goal: Goal,
        waypoints: Waypoints,
        sensitivity: Sensitivity,
    ) -> Strategy:
        from secateur.search.study import Study

        search, epochs = self._p.search, p.fine_tune.epochs
        cost = goal.objective or next(iter(goal.limits))
        whole = self._whole(cost)
        shares: Sequence[float] = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
        if goal.limits:
            shares = [goal.limits[cost] / whole * part for part in (1.0, 0.85, 0.7)]
        layers = [curve.layer for curve in sensitivity.curves if curve.points]
        return Study(
            goal,
            functools.partial(by_layer, p.target),
            layers,
            starts(waypoints, layers, shares),
            method=search.strategy,
            trials=search.trials,
            rungs=(*search.rungs, epochs) if search.rungs else default_rungs(epochs),
            storage=search.study or str(p.output / "study.log"),
            name=self._study_name(p, ground),
            cost=cost,
            dense=whole,
            seed=p.seed,
        )

    def _study_name(self, p: PruneParameters, ground: Ground) -> str:
        """Of all that decides what a trial's outcome is, and what is looked for."""
        asked = self._p.model_dump(mode="json", include={"budget", "objective", "search"})
        for name in ("study", "trials", "fresh_seeds"):
            del asked["search"][name]
        run = p.model_dump(mode="json", exclude={"output", "publish"})
        return digest_of([asked, run, ground.model.digest, ground.sensitivity.digest])[:16]


def starts(
    waypoints: Waypoints, layers: Sequence[str], shares: Sequence[float]
) -> list[dict[str, float]]:
    """Ratios by layer of the waypoints whose costs come nearest to some shares of the whole."""
    measure, whole = waypoints.measure, getattr(waypoints.dense, waypoints.measure)
    found = []
    for share in shares:
        if waypoints.points:
            nearest = min(
                waypoints.points, key=lambda w: abs(getattr(w.cost, measure) - share * whole)
            )
            given = nearest.target.allocation
            assert isinstance(given, dict)
            found.append({layer: given.get(glob.escape(layer), 0.0) for layer in layers})
    return found


def _waypoints(reference: Reference) -> Waypoints:
    text = (read(reference).directory / "waypoints.json").read_text()
    return Waypoints.model_validate_json(text)


def _measure_for(target: TargetConfig, goal: Goal) -> str:
    """What waypoints are ordered by: what can be predicted and goes with the costs in question."""
    if not target.cuts:
        return "nonzero"
    wanted: Sequence[str] = [goal.objective] if goal.objective else list(goal.limits)
    return "flops" if {"flops", "latency_ms"} & set(wanted) else "parameters"


def _finished(outcome: Outcome, strategy: Strategy) -> Outcome:
    return replace(outcome, stopped=outcome.stopped or strategy.why(outcome.candidate.number))


def _nearest(step: StepFound) -> str:
    nearest = step.goal.nearest(step.outcomes)
    if nearest is None:
        errors = [o.stopped for o in step.outcomes if o.stopped]
        return errors[0] if errors else "there was nothing to try."
    return f"the best, {nearest.candidate.name}, {_missed(step.goal, nearest)}"


def _missed(goal: Goal, outcome: Outcome) -> str:
    if outcome.stopped:
        return f"failed: {outcome.stopped}"
    if goal.accuracy_drop is not None:
        return (
            f"loses {100 * outcome.drop.value:.2f} points on the validation split, with a margin "
            f"of {100 * goal.margin(outcome):.2f} for its uncertainty, where "
            f"{100 * goal.accuracy_drop:.2f} are allowed"
        )
    costs = (
        f"{outcome.costs[name]:,.4g} {name} where {limit:,.4g} are allowed"
        for name, limit in goal.limits.items()
        if (outcome.costs[name] or 0) > limit
    )
    return f"takes {' and '.join(costs)}"
