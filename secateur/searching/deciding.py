"""A search decides; an evaluator, which it is given, trains and measures.

With each pattern a strategy asks for candidates, the evaluator tells what became of them, and
training with fresh seeds confirms the best one or refutes it. Nothing here knows where or how
models are trained: the flow `search` runs stages, `secateur.search` trains in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from secateur.searching.candidate import Outcome
from secateur.searching.goal import UNITS, Goal
from secateur.searching.pattern_search import PatternSearch, StepFound
from secateur.searching.problem import Evaluator, Problem, Start
from secateur.searching.strategies import make_strategy
from secateur.sparsity.config import TargetConfig


@dataclass(frozen=True)
class Decided:
    """What a search found.

    Attributes:
        steps: One a pattern.
        step: Place of the step whose candidate won.
        start: What that step started from.
        fresh: The winner's outcome on the fresh seeds.
        notices: What was left out, and why.
    """

    steps: Sequence[StepFound]
    step: int
    start: Start
    fresh: Outcome
    notices: Sequence[str]


def search(problem: Problem, evaluator: Evaluator) -> Decided:
    """Looks for the cheapest model within a drop of accuracy, or the best one within limits.

    Where nothing is sure to keep a drop of accuracy, the likeliest is taken, and a notice tells.

    Raises:
        ValueError: One sentence: the costs in question cannot be known, or nothing can be pruned.
        RuntimeError: Nothing keeps the budget; the sentence says what comes nearest.
    """
    searching = _Searching(problem, evaluator)
    for place in range(len(problem.targets)):
        searching.step(place)
    return searching.finish()


class _Searching:
    """One search as it goes on: what is fixed already, and what was tried."""

    def __init__(self, problem: Problem, evaluator: Evaluator):
        self._problem, self._evaluator = problem, evaluator
        self._fixed: list[TargetConfig] = []
        self._searches: list[PatternSearch] = []
        self._starts: list[Start] = []
        self._notices: list[str] = []

    def step(self, place: int) -> None:
        """Searches with one pattern, from what the steps before have left."""
        problem, several = self._problem, len(self._problem.targets) > 1
        pattern = problem.targets[place].pattern
        try:
            start = self._evaluator.start(place, tuple(self._fixed))
        except ValueError as error:
            if not several:
                raise
            self._notices.append(f"Pattern {pattern} was left out: {error}")
            return
        goal = self._goal(place)
        costs = self._evaluator.costs
        if goal.limits and all((costs[n] or np.inf) <= v for n, v in goal.limits.items()):
            own = " and ".join(f"{costs[n]:,.4g} {UNITS[n]}" for n in goal.limits)
            self._notices.append(f"The dense model keeps the budget as it is: it takes {own}.")
        found = PatternSearch(
            StepFound(pattern, goal, start.sensitivity),
            start.evaluate,
            make_strategy(problem, start, goal, costs),
            problem.seeds,
            max(1, problem.workers // len(problem.seeds)),
        )
        found.walk()
        self._searches.append(found)
        self._starts.append(start)
        self._notices += start.sensitivity.notices
        if found.step.ranked:
            self._fixed.append(found.step.ranked[0].candidate.target)
        elif several:
            self._notices.append(
                f"With pattern {pattern} nothing keeps the budget; {found.nearest()}"
            )

    def finish(self) -> Decided:
        """Trains the winner with fresh seeds; one that fails on them gives way to the next."""
        seeds = self._problem.fresh_seeds
        for place, found in reversed(list(enumerate(self._searches))):
            if fresh := found.confirm(seeds, self._notices):
                return self._decided(place, fresh)
        for place, found in reversed(list(enumerate(self._searches))):
            if fresh := found.likeliest(seeds):
                self._notices.append(self._unsure(found.step.goal, fresh))
                return self._decided(place, fresh)
        why = self._searches[-1].nearest() if self._searches else self._notices[-1]
        raise RuntimeError(f"no model that was tried keeps the budget: {why}")

    def _decided(self, place: int, fresh: Outcome) -> Decided:
        steps = [each.step for each in self._searches]
        notices = list(dict.fromkeys(self._notices))
        return Decided(steps, place, self._starts[place], fresh, notices)

    def _unsure(self, goal: Goal, fresh: Outcome) -> str:
        examples = len(self._evaluator.right)
        return (
            f"On {examples:,} validation examples no model could be shown to lose at most "
            f"{100 * (goal.accuracy_drop or 0):.2f} points with {goal.confidence:.0%} confidence. "
            f"{fresh.candidate.name} does with {goal.certainty(fresh):.0%}, and was taken; more "
            "validation examples (dataset.validation) or seeds (search.fresh_seeds) tell more."
        )

    def _goal(self, place: int) -> Goal:
        """The budget up to here: each pattern gets an equal share of it."""
        problem, share = self._problem, (place + 1) / len(self._problem.targets)
        allowed = problem.budget.accuracy_drop
        limits = {}
        for name, limit in problem.budget.limits.items():
            whole = self._whole(name)
            if name == "flops":
                limit = limit * whole
            limits[name] = whole * (min(1.0, limit / whole) ** self._part(name, place))
        return Goal(
            objective=problem.minimize,
            accuracy_drop=None if allowed is None else allowed * share,
            limits=limits,
            confidence=problem.search.confidence,
        )

    def _part(self, name: str, place: int) -> float:
        """How much of the way to a limit lies behind after this pattern."""
        lowers = [name == "bytes" or target.cuts for target in self._problem.targets]
        return sum(lowers[: place + 1]) / sum(lowers)

    def _whole(self, name: str) -> float:
        cost = self._evaluator.costs[name]
        if cost is None:
            raise ValueError(
                f"the {name} of this model cannot be counted, so they cannot be kept to a budget; "
                "use another budget."
            )
        return float(cost)
