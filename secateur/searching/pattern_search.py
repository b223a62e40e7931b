"""The search with one pattern: a strategy asks, trainings answer, fresh seeds confirm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from secateur.searching.candidate import Candidate, Outcome, Strategy
from secateur.searching.curves import Sensitivity
from secateur.searching.goal import Goal

Evaluate = Callable[[Sequence[Candidate], Sequence[int]], list[Outcome]]
"""Trains candidates with each of some seeds; their outcomes, in the same order."""

_CONFIRMED = 6
"""How many candidates are trained on fresh seeds before the search gives up."""
_BACK = 0.1
"""How much more the one after the first that failed costs at least; doubled each time."""
_LIKELY = 2
"""How many are, where none was sure to keep the budget on the first seeds."""


@dataclass
class StepFound:
    """What the search with one pattern found.

    Attributes:
        pattern: What goes together.
        goal: Budget and objective up to here.
        sensitivity: The layers' curves.
        outcomes: Of all candidates, in the order of their numbers.
        ranked: Those that keep the budget, the best first.
        chosen: Number of the candidate that is taken; None if none is.
        fresh: Outcomes on fresh seeds that were not sure to keep the budget.
    """

    pattern: str
    goal: Goal
    sensitivity: Sensitivity
    outcomes: Sequence[Outcome] = ()
    ranked: Sequence[Outcome] = ()
    chosen: int | None = None
    fresh: list[Outcome] = field(default_factory=list)


@dataclass
class PatternSearch:
    """The search with one pattern, as it goes on.

    Attributes:
        step: What comes of it.
        evaluate: Trains candidates.
        strategy: Says which.
        seeds: Those of fine-tuning that candidates are compared on.
        most: Candidates at a time.
        outcomes: By the number of the candidate.
    """

    step: StepFound
    evaluate: Evaluate
    strategy: Strategy
    seeds: Sequence[int]
    most: int
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def walk(self) -> None:
        """Tries what the strategy asks for, until it asks for no more."""
        found, strategy = self.step, self.strategy
        while asked := strategy.ask(self.most):
            for outcome in self.evaluate(asked, self.seeds):
                strategy.tell(outcome)
                self.outcomes[outcome.candidate.number] = outcome
        found.outcomes = [
            replace(outcome, stopped=outcome.stopped or strategy.why(number))
            for number, outcome in sorted(self.outcomes.items())
        ]
        found.ranked = found.goal.ranked(found.outcomes)
        best = self._next()
        found.chosen = best.candidate.number if best else None

    def confirm(self, seeds: Sequence[int], notices: list[str]) -> Outcome | None:
        """The best candidate that keeps the budget on fresh seeds as well; None without one.

        One that fails gives way to the next, after the strategy looked again without it; those
        that cost hardly more are passed over, for they would fail as well.
        """
        found = self.step
        while len(found.fresh) < _CONFIRMED and (best := self._next()):
            fresh = self._anew(best, seeds)
            if found.goal.keeps(fresh):
                return fresh
            found.fresh.append(fresh)
            notices.append(
                f"On fresh seeds {fresh.candidate.name} {found.goal.failure(fresh)}; it gave way "
                "to the next."
            )
            self.strategy.refuted(fresh.candidate.number)
            self.walk()
        return None

    def likeliest(self, seeds: Sequence[int]) -> Outcome | None:
        """The surest of those whose drop is within the budget, its uncertainty aside."""
        found, goal = self.step, self.step.goal
        if goal.accuracy_drop is None:
            return None
        if not found.fresh:
            near = [outcome for outcome in found.outcomes if goal.may_keep(outcome)]
            near = sorted(near, key=goal.certainty, reverse=True)[:_LIKELY]
            found.fresh = [self._anew(outcome, seeds) for outcome in near]
        likely = [fresh for fresh in found.fresh if goal.may_keep(fresh)]
        best = max(likely, key=goal.certainty, default=None)
        if best is not None:
            found.chosen = best.candidate.number
        return best

    def _next(self) -> Outcome | None:
        """The best that was not refuted and costs enough more than the last that was."""
        found, name = self.step, self.step.goal.objective
        refuted = {fresh.candidate.number for fresh in found.fresh}
        left = [o for o in found.ranked if o.candidate.number not in refuted]
        cost = found.fresh[-1].costs.get(name) if name and found.fresh else None
        if not left or cost is None:
            return left[0] if left else None
        least = cost * (1 + _BACK * 2 ** (len(found.fresh) - 1))
        return next((o for o in left if (o.costs[name or ""] or 0) >= least), left[-1])

    def _anew(self, outcome: Outcome, seeds: Sequence[int]) -> Outcome:
        whole = replace(outcome.candidate, rungs=())
        return self.evaluate([whole], seeds)[0]

    def nearest(self) -> str:
        """What comes nearest to the budget where nothing keeps it, and by how much it fails."""
        goal, outcomes = self.step.goal, self.step.outcomes
        best = goal.nearest(self.step.fresh) or goal.nearest(outcomes)
        if best is None:
            errors = [outcome.stopped for outcome in outcomes if outcome.stopped]
            return errors[0] if errors else "there was nothing to try."
        return f"the best, {best.candidate.name}, {goal.failure(best)}"
