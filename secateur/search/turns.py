"""Several strategies, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from secateur.search.candidate import Candidate, Outcome, Strategy


class Turns:
    """Asks the first strategy until it is over, then the next; the best of all is what counts.

    Args:
        strategies: They, whose candidates have different numbers.
    """

    def __init__(self, strategies: Sequence[Strategy]):
        self._all, self._left = list(strategies), list(strategies)

    def ask(self, most: int) -> list[Candidate]:
        while self._left:
            if asked := self._left[0].ask(most):
                return asked
            self._left.pop(0)
        return []

    def tell(self, outcome: Outcome) -> None:
        self._left[0].tell(outcome)

    def why(self, number: int) -> str | None:
        return next((why for each in self._all if (why := each.why(number))), None)
