"""Successive halving: bad candidates are stopped early, so that good ones can be trained longer."""

from __future__ import annotations

from collections.abc import Sequence

ETA = 3
"""One of so many goes on from each rung."""


class Halving:
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel
    Hyperparameter Tuning", algorithm 2, without its queue of promotions).

    A candidate goes on from a rung if it is among the best third of those that have reached the
    rung by then; the first two always do.

    Args:
        rungs: Epochs at which candidates are compared, and the last, at which they are finished.
    """

    def __init__(self, rungs: Sequence[int]):
        self.rungs = tuple(rungs)
        self._values: dict[int, dict[int, float]] = {epochs: {} for epochs in self.rungs}

    def decide(self, number: int, epochs: int, value: float) -> str | None:
        """Hears of a candidate at a rung.

        Args:
            number: The candidate.
            epochs: The rung.
            value: What is to be minimized.

        Returns:
            None if it goes on (or is finished), else why it is stopped.
        """
        seen = self._values[epochs]
        seen[number] = value
        if epochs == self.rungs[-1] or len(seen) < ETA:
            return None
        place = sum(other < value for other in seen.values()) + 1
        most = len(seen) // ETA
        if place <= most:
            return None
        return (
            f"after {epochs} of {self.rungs[-1]} epochs it was number {place} of {len(seen)}; the "
            f"best {most} went on"
        )


def default_rungs(epochs: int) -> tuple[int, ...]:
    """A ninth, a third and all of the epochs, each once."""
    return tuple(sorted({max(1, round(epochs / 9)), max(1, round(epochs / 3)), max(1, epochs)}))
