"""When the trainings of a run shall come to an end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

_ends: list[float] = []
"""Of the flow runs of this process that have a deadline, on the clock of `time.monotonic`."""


@contextlib.contextmanager
def deadline(after: timedelta | None) -> Iterator[None]:
    """Trainings inside the block stop at the end of the first epoch that ends later than `after`.

    Args:
        after: Counted from now; None for no deadline.
    """
    if after is None:
        yield
        return
    end = time.monotonic() + after.total_seconds()
    _ends.append(end)
    try:
        yield
    finally:
        _ends.remove(end)


class Halt:
    """Ends one training at the deadline, if there is one, and knows afterwards whether it did.

    A training that begins later than that has one epoch all the same, so that a run always comes
    to a model and a report, and each time that it is run again gets further.

    Args:
        stage: The stage that trains.
        epochs: Epochs that it was asked for.
        at_least: Epochs that it needs in any case.
    """

    def __init__(self, stage: str, epochs: int, at_least: int = 1) -> None:
        self._stage, self._epochs, self._at_least = stage, epochs, at_least
        self._stopped_after: int | None = None

    @property
    def asked(self) -> Callable[[int], bool] | None:
        """For `fit`, as its `stop`; None where there is no deadline."""
        return self._ask if _ends else None

    @property
    def said(self) -> str | None:
        """The notice about a training that was stopped; None of one that was not."""
        if self._stopped_after is None:
            return None
        return (
            f"{self._stage} stopped at the deadline after {self._stopped_after} of {self._epochs} "
            "epochs, and the best so far was kept; the same command, given again, goes on."
        )

    def _ask(self, done: int) -> bool:
        if done < self._at_least or time.monotonic() < min(_ends):
            return False
        self._stopped_after = done
        return True
