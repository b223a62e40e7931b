"""A search's candidates through the stages: what `secateur.searching` asks for, from the store."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from secateur.flows.candidates import Trials, validated
from secateur.flows.parameters import ASIDE, PruneParameters
from secateur.flows.pipeline import find_through, stage_runner
from secateur.flows.search_parameters import SearchParameters
from secateur.flows.search_wiring import (
    Ground,
    wire_candidate,
    wire_dense,
    wire_sensitivity,
    wire_waypoints,
)
from secateur.searching.candidate import Candidate, Outcome, mean_costs
from secateur.searching.curves import Sensitivity
from secateur.searching.deciding import Decided, search
from secateur.searching.problem import Problem
from secateur.searching.schema import Waypoints
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.evaluate import evaluate
from secateur.tasks.latency import latency
from secateur.tasks.search_report import Final, Found
from secateur.tasks.stage import read


def searched(
    p: SearchParameters,
    runs: Sequence[PruneParameters],
    pool: Any,
    count: Callable[[str, str | None], None],
) -> Found:
    """What a search finds, with the artifacts of its winner.

    Args:
        p: All parameters.
        runs: Those of a run of `prune`, one for each pattern.
        pool: A pool of processes, or None for this one.
        count: Told each training that is done.

    Raises:
        ValueError, RuntimeError: As `secateur.searching.deciding.search`.
    """
    stages = _Stages(p, runs, pool, count)
    given = p.fine_tune.seed
    problem = Problem(
        p.budget,
        p.goals,
        [run.target for run in runs],
        p.search,
        runs[0].fine_tune.epochs,
        seed=p.seed,
        tuning_seed=p.seed if given is None else given,
        workers=p.workers,
        storage=p.study if p.search.strategy in ("tpe", "nsga2") else None,
    )
    return stages.found(search(problem, stages), problem)


class _Stages:
    """An `Evaluator` whose answers are artifacts of stages."""

    def __init__(
        self,
        p: SearchParameters,
        runs: Sequence[PruneParameters],
        pool: Any,
        count: Callable[[str, str | None], None],
    ):
        self._p, self._runs, self._pool, self._count = p, runs, pool, count
        self._data, self._model, validation = wire_dense(runs[0], stage_runner(runs[0])[0])
        self.right, self._own_costs = validated(validation)

    @functools.cached_property
    def costs(self) -> dict[str, Any]:
        return {**self._own_costs, **self._measure(self._model)}

    def start(self, place: int, first: Sequence[TargetConfig]) -> _Start:
        p = self._runs[place].model_copy(update={"first": tuple(first)})
        ground = wire_sensitivity(p, self._p.sensitivity, stage_runner(p)[0])
        trials = Trials(p, self.right, self._pool, self._count, self._measure)
        return _Start(p, ground, trials, self._asked)

    @property
    def _asked(self) -> dict[str, Any]:
        """What is looked for."""
        asked = self._p.model_dump(mode="json", include={"budget", "objective", "search"})
        for name in ("study", "trials", "fresh_seeds"):
            del asked["search"][name]
        return asked

    def found(self, decided: Decided, problem: Problem) -> Found:
        """With the winner's models, one a fresh seed, and their evaluations."""
        start, fresh, seeds = decided.start, decided.fresh, problem.fresh_seeds
        assert isinstance(start, _Start)
        finals = [
            self._final(start.trials.parameters(fresh.candidate, seed), seed) for seed in seeds
        ]
        accuracy = [run.mean() for run in fresh.right]
        dense = stage_runner(start.trials.base)[0](
            evaluate, data=self._data, model=self._model, subject="dense"
        )
        return Found(
            objective=problem.minimize,
            data=self._data,
            dense_right=self.right,
            dense_costs=mean_costs([self.costs]),
            dense_evaluation=dense,
            steps=decided.steps,
            step=decided.step,
            fresh=fresh,
            finals=finals,
            best=finals[int(np.argmax(accuracy))],
            notices=decided.notices,
        )

    def _final(self, parameters: PruneParameters, seed: int) -> Final:
        found = find_through(wire_candidate, parameters)
        assert found is not None
        run = stage_runner(parameters)[0]
        evaluation = run(evaluate, data=found[0], model=found[1], subject="fine_tuned")
        own = {**validated(found[2])[1], **self._measure(found[1])}
        config = parameters.model_dump(mode="json", exclude=set(ASIDE))
        return Final(seed, config, found[1], evaluation, own)

    def _measure(self, model: Reference) -> Mapping[str, float]:
        """Milliseconds, where they count: in units of the dense model's, which takes turns."""
        if "latency_ms" not in (self._p.goals, *self._p.budget.limits):
            return {}
        found = [self._timed(self._model), self._timed(model)]
        return {"latency_ms": found[0]["dense"] * found[1]["model"] / found[1]["dense"]}

    def _timed(self, model: Reference) -> dict[str, float]:
        run = stage_runner(self._runs[0])[0]
        folder = read(run(latency, dense=self._model, model=model)).directory
        return json.loads((folder / "latency.json").read_text())


class _Start:
    """What the search with one pattern starts from, and its candidates through the stages."""

    def __init__(
        self, p: PruneParameters, ground: Ground, trials: Trials, asked: dict[str, Any]
    ) -> None:
        self._p, self._ground, self.trials = p, ground, trials
        self.target = p.target
        text = (read(ground.sensitivity).directory / "sensitivity.json").read_text()
        self.sensitivity = Sensitivity.model_validate_json(text)
        own = p.model_dump(mode="json", exclude=set(ASIDE))
        self.digest = digest_of([asked, own, ground.model.digest, ground.sensitivity.digest])

    def waypoints(self, order: str, measure: str, timed: bool) -> Waypoints:
        run = stage_runner(self._p)[0]
        found = wire_waypoints(self._p, self._ground, order, measure, timed, run)
        text = (read(found).directory / "waypoints.json").read_text()
        return Waypoints.model_validate_json(text)

    def evaluate(self, candidates: Sequence[Candidate], seeds: Sequence[int]) -> list[Outcome]:
        return self.trials.run(candidates, seeds)
