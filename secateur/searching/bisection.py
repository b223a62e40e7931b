"""The strategies that go along waypoints: by bisection, as both costs and accuracy fall."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from secateur.searching.candidate import Candidate, Outcome
from secateur.searching.goal import Goal
from secateur.searching.schema import Waypoint, Waypoints

_NAMES = {"nonzero": "weights", "parameters": "parameters", "flops": "FLOPs"}


class Bisection:
    """Finds the last waypoint within a drop of accuracy, or the first within limits on costs.

    Limits on what is predicted exactly need no trial. Others are met by trials without
    fine-tuning, and the waypoint that meets them is then fine-tuned.

    Args:
        goal: What the search is after.
        waypoints: Targets of falling cost.
        numbers: Gives the candidates their numbers.
        guess: Where a limit on what is measured is probably met: the first place to look at.
    """

    def __init__(
        self,
        goal: Goal,
        waypoints: Waypoints,
        numbers: Iterator[int] | None = None,
        guess: int | None = None,
    ):
        self._guess = guess
        self._goal, self._points = goal, waypoints.points
        self._dense, self._measure = waypoints.dense, waypoints.measure
        self._numbers = itertools.count() if numbers is None else numbers
        self._low, self._high = -1, len(self._points)  # the answer lies between, high included
        self._least = -1  # what is up to here is of no interest
        self._places: dict[int, int] = {}
        self._kept: set[int] = set()
        self._missed: set[int] = set()
        self._tuning = goal.accuracy_drop is not None
        if not self._tuning:
            self._low = self._predicted() - 1
        self._over = self._low + 1 >= self._high

    def ask(self, most: int) -> list[Candidate]:
        if self._over:
            return []
        self._skip_missed()
        inner = self._high - self._low - 1
        if not self._tuning and self._only_predicted:
            inner = 0
        if not inner:
            return self._last()
        count = min(most, inner)
        if self._guess is not None and self._low < self._guess < self._high:
            place, self._guess = self._guess, None
            return [self._candidate(place, self._tuning)]
        places = sorted({self._low + (k + 1) * (inner + 1) // (count + 1) for k in range(count)})
        return [self._candidate(place, self._tuning) for place in places]

    def _last(self) -> list[Candidate]:
        """What is left to do when bisection has ended."""
        if self._tuning:
            self._over = True
            return []
        place = self._low + 1 if self._only_predicted else self._high
        if place >= len(self._points):
            self._over = True
            return []
        return [self._candidate(place, True)]

    def tell(self, outcome: Outcome) -> None:
        place = self._places[outcome.candidate.number]
        if self._tuning:
            if self._goal.keeps(outcome):
                self._kept.add(place)
                self._low = max(self._low, place)
            else:
                self._missed.add(place)
                self._high = min(self._high, place)
            if self._low + 1 >= self._high:
                self._over = True
        elif outcome.candidate.tuned:
            self._over = self._goal.within_limits(outcome)
            self._low, self._high = place, place + 1  # training made it a little larger: go on
        elif self._goal.within_limits(outcome):
            self._high = min(self._high, place)
        else:
            self._low = max(self._low, place)

    def why(self, number: int) -> str | None:
        return None

    def refuted(self, number: int) -> None:
        """Goes back to what costs more: between the last that kept the budget, if any, and this.

        What costs less than this counts as refuted as well.
        """
        place = self._places[number]
        if self._tuning:
            self._missed.add(place)
            self._kept = {kept for kept in self._kept if kept < place}
            self._high, self._low = place, max(self._kept | {self._least})
            self._over = self._low + 1 >= self._high
        else:
            self._low, self._high, self._over = place, place + 1, False

    def has(self, number: int) -> bool:
        """Whether a candidate is one of its own."""
        return number in self._places

    @property
    def cheapest(self) -> int | None:
        """Predicted cost of the last waypoint that kept a drop of accuracy, if there is one."""
        return self._cost(max(self._kept)) if self._kept else None

    @property
    def best(self) -> dict[str, float] | None:
        """Share of each layer that goes there."""
        return self._points[max(self._kept)].layers if self._kept else None

    def start_below(self, cost: int) -> None:
        """Leaves out the waypoints that cost as much or more, and starts with the first of the
        others."""
        dear = [place for place in range(len(self._points)) if self._cost(place) >= cost]
        self._least = max(dear, default=-1)
        self._low = max(self._kept | {self._least})
        self._guess = self._low + 1
        self._over = self._low + 1 >= self._high

    def _cost(self, place: int) -> int:
        return getattr(self._points[place].cost, self._measure)

    def _skip_missed(self) -> None:
        """After `refuted`: what was tried before is not tried again."""
        between = [place for place in self._missed if self._low < place < self._high]
        self._high = min(between, default=self._high)

    @property
    def _only_predicted(self) -> bool:
        return set(self._goal.limits) <= {"flops"}

    def _predicted(self) -> int:
        """The first waypoint within the limits that are known without a trial."""
        limit = self._goal.limits.get("flops", float("inf"))
        fits = (i for i, p in enumerate(self._points) if (p.cost.flops or 0) <= limit)
        return next(fits, len(self._points))

    def _candidate(self, place: int, tuned: bool) -> Candidate:
        number = next(self._numbers)
        self._places[number] = place
        point = self._points[place]
        return Candidate(number, self._name(point), point.target, tuned, layers=point.layers)

    def _name(self, point: Waypoint) -> str:
        whole, left = (getattr(cost, self._measure) for cost in (self._dense, point.cost))
        return f"{left / whole:.1%} of the {_NAMES[self._measure]}"
