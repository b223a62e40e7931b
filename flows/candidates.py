"""From the candidates of a search to their outcomes: stages run here or in processes, once each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from secateur.flows.parameters import PruneParameters
from secateur.flows.pipeline import find_through
from secateur.flows.search_wiring import wire_candidate
from secateur.flows.trials import Job, Result, process_pool, run_here, run_on
from secateur.searching.candidate import Candidate, Outcome, mean_costs
from secateur.searching.noise import Estimate, drop
from secateur.searching.schema import Costs
from secateur.store import Reference
from secateur.tasks.stage import read


@dataclass(frozen=True)
class Trials:
    """Runs candidates.

    Attributes:
        base: Parameters of a run; a candidate brings the target.
        dense: For each validation example whether the dense model is right.
        pool: A pool of processes; None for this one.
        count: Told the name of each training that is done, and its error or None.
        measure: Adds costs that no stage of a candidate gives, such as latency.
    """

    base: PruneParameters
    dense: np.ndarray
    pool: Any
    count: Callable[[str, str | None], None]
    measure: Callable[[Reference], Mapping[str, float]]

    def run(self, candidates: Sequence[Candidate], seeds: Sequence[int]) -> list[Outcome]:
        """Their outcomes in the same order; one that failed is stopped, with its error."""
        each = [(c, seed, self.parameters(c, seed)) for c in candidates for seed in seeds]
        jobs = [
            Job(f"{c.name} seed={seed}", "candidate", p.model_dump(mode="json"), c.rungs)
            for c, seed, p in each
        ]
        missing = [place for place, (c, _, p) in enumerate(each) if _found(p, c.rungs) is None]
        results = [Result()] * len(jobs)
        for place, result in zip(missing, self._run([jobs[i] for i in missing]), strict=True):
            results[place] = result
        width = len(seeds)
        return [
            self._outcome(
                candidate,
                [p for _, _, p in each[i * width : (i + 1) * width]],
                results[i * width : (i + 1) * width],
            )
            for i, candidate in enumerate(candidates)
        ]

    def parameters(self, candidate: Candidate, seed: int) -> PruneParameters:
        """Those of a run of `prune` that gives the candidate's model."""
        changes: dict[str, Any] = {"seed": seed}
        if not candidate.tuned:
            changes["epochs"] = 0
        tuned = self.base.fine_tune.model_copy(update=changes)
        return self.base.model_copy(update={"target": candidate.target, "fine_tune": tuned})

    def _run(self, jobs: Sequence[Job]) -> list[Result]:
        def advance(job: Job, result: Result) -> None:
            self.count(job.name, result.error)

        if self.pool is None or not jobs:
            return run_here(jobs, advance)
        results = run_on(self.pool, jobs, advance)
        for place, (job, result) in enumerate(zip(jobs, results, strict=True)):
            if result.crashed:  # the pool may be gone with it
                with process_pool(1) as pool:
                    results[place] = run_on(pool, [job], advance)[0]
        return results

    def _outcome(
        self, candidate: Candidate, parameters: Sequence[PruneParameters], results: Sequence[Result]
    ) -> Outcome:
        error = next((result.error for result in results if result.error), None)
        if error:
            return Outcome(candidate, {}, [], Estimate(1.0, 0.0), stopped=error)
        found = [_found(each, candidate.rungs) for each in parameters]
        if any(each is None for each in found):
            raise RuntimeError(
                f"The results of {candidate.name} are not in the store; run the same command again."
            )
        seen = [validated(each[-1]) for each in found if each]
        more = [self.measure(each[1]) for each in found if each]
        costs = [{**own, **extra} for (_, own), extra in zip(seen, more, strict=True)]
        right = [answers for answers, _ in seen]
        return Outcome(candidate, mean_costs(costs), right, drop(self.dense, right))


def _found(p: PruneParameters, rungs: Sequence[int]) -> tuple[Reference, ...] | None:
    return find_through(functools.partial(wire_candidate, rungs=rungs), p)


def validated(reference: Reference) -> tuple[np.ndarray, dict[str, Any]]:
    """What the stage `validate` found: right answers, and costs by name."""
    folder = read(reference).directory
    costs = Costs.model_validate_json((folder / "costs.json").read_text())
    return np.load(folder / "right.npy", allow_pickle=False), costs.model_dump()
