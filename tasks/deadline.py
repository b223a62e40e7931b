"""When trainings of this process shall come to an end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

_at: list[float] = []


@contextlib.contextmanager
def deadline(after: timedelta | None) -> Iterator[None]:
    """Trainings inside the block stop at the end of the first epoch that is later than `after`."""
    if after is None:
        yield
        return
    _at.append(time.monotonic() + after.total_seconds())
    try:
        yield
    finally:
        _at.pop()


def passed() -> bool:
    """Whether the time is over; also where no deadline is set it can be asked."""
    return bool(_at) and time.monotonic() > _at[-1]


def told(stage: str, history: dict[str, list[float]], epochs: int) -> list[str]:
    """The notice about a training that stopped for a deadline."""
    done = len(history.get("loss", ()))
    return [
        f"{stage} stopped at the deadline after {done} of {epochs} epochs; the same command, "
        "without the deadline or with a later one, goes on from there."
    ]


Stop = Callable[[], bool]
