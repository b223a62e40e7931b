"""From the best waypoint onward: one layer after another gives up more.

Waypoints follow one rule for all layers. What the rule gets wrong for a layer shows only once the
model is fine-tuned, so the last steps are tried one layer at a time, those that save the most first
(coordinate descent; Yang et al. 2018, "NetAdapt", algorithm 1, try every layer at each step).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from secateur.searching.candidate import Candidate, Outcome
from secateur.searching.curves import Curve
from secateur.searching.goal import Goal
from secateur.searching.turns import Turns
from secateur.sparsity.config import TargetConfig

CUT = 0.3
"""The share of what is left of a layer that goes in one step."""
TRIES = 6
"""Candidates, at most, that are tried beyond the waypoints."""


class Polish:
    """Bisects the ways of waypoints, then cuts single layers of the best further.

    Args:
        ways: The ways, and what they found.
        goal: What the search is after; with a drop of accuracy.
        curves: The layers that have a ratio.
        make: Layer -> ratio to a target.
        by_flops: Whether FLOPs are what is to be saved, else parameters.
        step: Units that a layer loses at least.
        numbers: Gives the candidates their numbers.
    """

    def __init__(
        self,
        ways: Turns,
        goal: Goal,
        curves: Sequence[Curve],
        make: Callable[[dict[str, float]], TargetConfig],
        *,
        by_flops: bool = False,
        step: int = 1,
        numbers: Iterator[int] | None = None,
    ):
        self._ways, self._goal, self._make, self._step = ways, goal, make, step
        self._curves = {curve.layer: curve for curve in curves}
        self._by_flops = by_flops
        self._numbers = itertools.count() if numbers is None else numbers
        self._tries = TRIES
        self._base: dict[str, float] | None = None
        self._closed: set[str] = set()
        self._asked: dict[int, tuple[str, dict[str, float]]] = {}

    def ask(self, most: int) -> list[Candidate]:
        if asked := self._ways.ask(most):
            return asked
        if self._base is None:
            self._base = self._start(self._ways.best)
        found = []
        for layer in sorted(self._open(), key=self._saving, reverse=True)[: min(most, self._tries)]:
            self._tries -= 1
            ratios = {**self._base, layer: self._next(layer)}
            name = f"{layer} at {1 - ratios[layer]:.1%}"
            target = self._make(ratios)
            found.append(Candidate(next(self._numbers), name, target, layers=ratios))
            self._asked[found[-1].number] = (layer, ratios)
        return found

    def tell(self, outcome: Outcome) -> None:
        if outcome.candidate.number not in self._asked:
            self._ways.tell(outcome)
            return
        layer, ratios = self._asked[outcome.candidate.number]
        if not self._goal.keeps(outcome):
            self._closed.add(layer)
        elif self._base is not None and all(self._base[k] <= ratios[k] for k in self._base):
            self._base = ratios  # not so where another was taken since: then it is tried again

    def why(self, number: int) -> str | None:
        return self._ways.why(number)

    def refuted(self, number: int) -> None:
        if number in self._asked:
            self._tries = 0
        else:
            self._ways.refuted(number)
            self._base = None
            self._closed.clear()

    def _start(self, best: Mapping[str, float] | None) -> dict[str, float]:
        if best is None:
            return {}
        return {layer: best.get(layer, 0.0) for layer in self._curves}

    def _open(self) -> list[str]:
        return [
            layer
            for layer in self._base or {}
            if layer not in self._closed and self._next(layer) < 1
        ]

    def _next(self, layer: str) -> float:
        """Its ratio one step on; 1 or more if there is nothing left to go."""
        assert self._base is not None
        ratio, units = self._base[layer], self._curves[layer].units
        return round(max(1 - (1 - ratio) * (1 - CUT), ratio + self._step / units) + 1e-6, 6)

    def _saving(self, layer: str) -> float:
        assert self._base is not None
        curve = self._curves[layer]
        price = curve.flops if self._by_flops and curve.flops else curve.parameters
        return price * (self._next(layer) - self._base[layer])
