"""The path of a search with one pattern: a strategy asks, trials answer, fresh seeds confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flows.candidates import Trials
from secateur.search.candidate import Outcome, Strategy
from tasks.search_report import StepFound

_CONFIRMED = 4
"""How many candidates are trained on fresh seeds before the search gives up."""
_LIKELY = 2
"""How many are, where none was sure to keep the budget on the first seeds."""


@dataclass
class Path:
    """What is searched with one pattern, as it goes on.

    Attributes:
        found: What comes of it.
        trials: Runs candidates.
        strategy: Says which.
        seeds: Those of fine-tuning that candidates are compared on.
        most: Candidates at a time.
        told: Number of a candidate -> its outcome.
    """

    found: StepFound
    trials: Trials
    strategy: Strategy
    seeds: Sequence[int]
    most: int
    told: dict[int, Outcome] = field(default_factory=dict)

    def walk(self) -> None:
        """Tries what the strategy asks for, until it asks for no more."""
        found, strategy = self.found, self.strategy
        while asked := strategy.ask(self.most):
            for outcome in self.trials.run(asked, self.seeds):
                strategy.tell(outcome)
                self.told[outcome.candidate.number] = outcome
        found.outcomes = [
            replace(outcome, stopped=outcome.stopped or strategy.why(number))
            for number, outcome in sorted(self.told.items())
        ]
        found.ranked = found.goal.ranked(found.outcomes)
        found.chosen = next((o.candidate.number for o in self._left()), None)

    def confirm(self, seeds: Sequence[int], notices: list[str]) -> Outcome | None:
        """The best candidate that keeps the budget on fresh seeds as well; None without one.

        One that fails gives way to the next, after the strategy looked again without it.
        """
        found = self.found
        while len(found.fresh) < _CONFIRMED and (left := self._left()):
            fresh = self._anew(left[0], seeds)
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
        found, goal = self.found, self.found.goal
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

    def _left(self) -> list[Outcome]:
        refuted = {fresh.candidate.number for fresh in self.found.fresh}
        return [o for o in self.found.ranked if o.candidate.number not in refuted]

    def _anew(self, outcome: Outcome, seeds: Sequence[int]) -> Outcome:
        whole = replace(outcome.candidate, rungs=())
        return self.trials.run([whole], seeds)[0]

    def nearest(self) -> str:
        """What comes nearest to the budget where nothing keeps it, and by how much it fails."""
        goal, outcomes = self.found.goal, self.found.outcomes
        best = goal.nearest(self.found.fresh) or goal.nearest(outcomes)
        if best is None:
            errors = [outcome.stopped for outcome in outcomes if outcome.stopped]
            return errors[0] if errors else "there was nothing to try."
        return f"the best, {best.candidate.name}, {goal.failure(best)}"
