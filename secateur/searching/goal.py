"""What a search is after: which outcomes keep the budget, and which of two is the better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secateur.searching.candidate import Outcome
from secateur.searching.noise import is_better, margin

UNITS = {"bytes": "bytes", "parameters": "parameters", "flops": "FLOPs", "latency_ms": "ms"}


@dataclass(frozen=True)
class Goal:
    """Objective, budget and confidence, with the dense model to compare with.

    Attributes:
        objective: The cost that shall be low; None where accuracy shall be high.
        accuracy_drop: The drop that is allowed; None without such a budget.
        limits: Highest costs, in the units of `Outcome.costs`.
        confidence: How sure a drop has to be within the budget (one-sided).
    """

    objective: str | None
    accuracy_drop: float | None
    limits: Mapping[str, float]
    confidence: float

    def within_limits(self, outcome: Outcome) -> bool:
        """Whether its costs are within all limits."""
        return all(_known(outcome, name) <= limit for name, limit in self.limits.items())

    def keeps(self, outcome: Outcome) -> bool:
        """Whether it keeps the budget, the margin for uncertainty included."""
        if not self.may_keep(outcome):
            return False
        if self.accuracy_drop is None:
            return True
        return outcome.drop.upper(self.confidence) <= self.accuracy_drop

    def may_keep(self, outcome: Outcome) -> bool:
        """Whether it keeps the budget by estimate, the margin for uncertainty aside."""
        if outcome.stopped or not outcome.candidate.tuned or not self.within_limits(outcome):
            return False
        return self.accuracy_drop is None or outcome.drop.value <= self.accuracy_drop

    def certainty(self, outcome: Outcome) -> float:
        """How sure its drop is within what is allowed (one-sided): a share."""
        return outcome.drop.certainty(self.accuracy_drop or 0.0)

    def excess(self, outcome: Outcome) -> float:
        """How far the drop, with its margin, is above what is allowed; 0 or less if it is not."""
        allowed = self.accuracy_drop or 0.0
        return outcome.drop.upper(self.confidence) - allowed

    def margin(self, outcome: Outcome) -> float:
        """The part of the budget that its uncertainty takes."""
        return margin(outcome.drop.error, self.confidence)

    def ranked(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Those that keep the budget, the best first.

        By the objective; or by accuracy, where one is better than another only beyond the noise of
        both, and what is not better counts as equal: of equals the cheapest comes first.
        """
        kept = [outcome for outcome in outcomes if self.keeps(outcome)]
        if self.objective:
            name = self.objective
            return sorted(kept, key=lambda o: (_known(o, name), o.drop.value, o.candidate.number))
        left = sorted(kept, key=lambda o: (-o.accuracy, o.candidate.number))
        ranked: list[Outcome] = []
        while left:
            top = left[0]
            equal = [o for o in left if not is_better(top.right, o.right, self.confidence)]
            best = min(equal, key=lambda o: (self._use(o), -o.accuracy, o.candidate.number))
            ranked.append(best)
            left.remove(best)
        return ranked

    def nearest(self, outcomes: Sequence[Outcome]) -> Outcome | None:
        """Of those that do not keep the budget, the one that comes nearest."""
        tuned = [o for o in outcomes if o.candidate.tuned and not o.stopped]
        if self.accuracy_drop is not None:
            return min(tuned, key=self.excess, default=None)
        return min(outcomes, key=self._use, default=None)

    def failure(self, outcome: Outcome) -> str:
        """How it fails the budget, as the end of a sentence."""
        if outcome.stopped:
            return f"failed: {outcome.stopped}"
        if self.accuracy_drop is not None:
            return (
                f"loses {100 * outcome.drop.value:.2f} points on the validation split, with a "
                f"margin of {100 * self.margin(outcome):.2f} for its uncertainty, where "
                f"{100 * self.accuracy_drop:.2f} are allowed"
            )
        costs = (
            f"{outcome.costs[name]:,.4g} {UNITS[name]} where {limit:,.4g} are allowed"
            for name, limit in self.limits.items()
            if (outcome.costs[name] or 0) > limit
        )
        return f"takes {' and '.join(costs)}"

    def _use(self, outcome: Outcome) -> float:
        """The largest share of a limit that it takes."""
        return max(_known(outcome, name) / limit for name, limit in self.limits.items())


def _known(outcome: Outcome, name: str) -> float:
    value = outcome.costs.get(name)
    return float("inf") if value is None else value
