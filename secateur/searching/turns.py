"""Several ways of waypoints, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from secateur.searching.bisection import Bisection
from secateur.searching.candidate import Candidate, Outcome


class Turns:
    """Bisects the first way until that is over, then the next; the best of all is what counts.

    Within a drop of accuracy a way has to beat those before it: of its waypoints only those that
    cost less than the cheapest that was found are tried, the most expensive of them first.

    Args:
        ways: They, whose candidates have different numbers.
    """

    def __init__(self, ways: Sequence[Bisection]):
        self._ways, self._turn = list(ways), 0

    def ask(self, most: int) -> list[Candidate]:
        while self._turn < len(self._ways):
            if asked := self._ways[self._turn].ask(most):
                return asked
            self._turn += 1
            if self._turn < len(self._ways):
                known = (way.cheapest for way in self._ways[: self._turn])
                costs = [cost for cost in known if cost is not None]
                if costs:
                    self._ways[self._turn].start_below(min(costs))
        return []

    def tell(self, outcome: Outcome) -> None:
        self._owner(outcome.candidate.number).tell(outcome)

    def why(self, number: int) -> str | None:
        return None

    def refuted(self, number: int) -> None:
        self._owner(number).refuted(number)
        self._turn = 0

    @property
    def best(self) -> dict[str, float] | None:
        """Share of each layer that goes in the cheapest waypoint that kept a drop of accuracy."""
        found = [way for way in self._ways if way.cheapest is not None]
        return min(found, key=lambda way: way.cheapest or 0).best if found else None

    def _owner(self, number: int) -> Bisection:
        return next(way for way in self._ways if way.has(number))
