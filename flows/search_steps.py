"""The steps of a search: for each pattern a strategy that asks, and trials that answer."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from secateur.flows.candidates import Trials, mean_costs, validated
from secateur.flows.parameters import ASIDE, PruneParameters
from secateur.flows.pipeline import find_through, stage_runner
from secateur.flows.search_parameters import SearchParameters
from secateur.flows.search_path import Path
from secateur.flows.search_strategies import make_strategy
from secateur.flows.search_wiring import (
    wire_candidate,
    wire_dense,
    wire_sensitivity,
)
from secateur.search.candidate import Outcome
from secateur.search.curves import Sensitivity
from secateur.search.goal import UNITS, Goal
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from secateur.tasks.evaluate import evaluate
from secateur.tasks.latency import latency
from secateur.tasks.search_report import Final, Found, StepFound
from secateur.tasks.stage import read

_FRESH = 1000
"""The seed of the first fresh training, above that of the search."""


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
        self._paths: list[Path] = []
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
        if goal.limits and all((self._known[n] or np.inf) <= v for n, v in goal.limits.items()):
            own = " and ".join(f"{self._known[n]:,.4g} {UNITS[n]}" for n in goal.limits)
            self._notices.append(f"The dense model keeps the budget as it is: it takes {own}.")
        path = Path(
            StepFound(p.target.pattern, goal, sensitivity),
            Trials(p, self._right, self._pool, self._count, self._measure),
            make_strategy(self._p, p, ground, goal, sensitivity, self._known),
            self._seeds,
            max(1, self._p.workers // len(self._seeds)),
        )
        path.walk()
        self._paths.append(path)
        self._notices += sensitivity.notices
        if path.found.ranked:
            self._fixed.append(path.found.ranked[0].candidate.target)
        elif several:
            self._notices.append(
                f"With pattern {p.target.pattern} nothing keeps the budget; {path.nearest()}"
            )

    def finish(self) -> Found:
        """Trains the winner with fresh seeds; one that fails on them gives way to the next.

        Where nothing is sure to keep a drop of accuracy, the likeliest is taken, and a notice
        tells.

        Raises:
            RuntimeError: If nothing keeps the budget; the sentence says what comes nearest.
        """
        seeds = [self._seed + _FRESH + k for k in range(self._p.search.fresh_seeds)]
        for path in self._paths[::-1]:
            if fresh := path.confirm(seeds, self._notices):
                return self._found(fresh, path, seeds)
        for path in self._paths[::-1]:
            if fresh := path.likeliest(seeds):
                self._notices.append(self._unsure(path.found.goal, fresh))
                return self._found(fresh, path, seeds)
        why = self._paths[-1].nearest() if self._paths else self._notices[-1]
        raise RuntimeError(f"no model that was tried keeps the budget: {why}")

    def _unsure(self, goal: Goal, fresh: Outcome) -> str:
        examples = len(self._right)
        return (
            f"On {examples:,} validation examples no model could be shown to lose at most "
            f"{100 * (goal.accuracy_drop or 0):.2f} points with {goal.confidence:.0%} confidence. "
            f"{fresh.candidate.name} does with {goal.certainty(fresh):.0%}, and was taken; more "
            "validation examples (dataset.validation) or seeds (search.fresh_seeds) tell more."
        )

    def _found(self, fresh: Outcome, path: Path, seeds: list[int]) -> Found:
        trials = path.trials
        finals = [self._final(trials.parameters(fresh.candidate, seed), seed) for seed in seeds]
        accuracy = [run.mean() for run in fresh.right]
        best = finals[int(np.argmax(accuracy))]
        dense = stage_runner(trials.base)[0](
            evaluate, data=self._data, model=self._model, subject="dense"
        )
        return Found(
            objective=self._p.goals,
            data=self._data,
            dense_right=self._right,
            dense_costs=mean_costs([self._known]),
            dense_evaluation=dense,
            steps=[each.found for each in self._paths],
            step=self._paths.index(path),
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
        config = parameters.model_dump(mode="json", exclude=set(ASIDE))
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

    @functools.cached_property
    def _known(self) -> dict[str, Any]:
        """The dense model's costs."""
        return {**self._costs, **self._measure(self._model)}

    def _whole(self, name: str) -> float:
        costs = self._known
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
