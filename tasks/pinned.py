"""Holding what a flow run uses, so that no collection of the store takes it meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from prefect.runtime import flow_run

from secateur.store import open_store

_holding: set[str] = set()
_lock = threading.Lock()


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """Holds, until the block is left, every artifact that this process uses for its flow run.

    A flow enters it around everything, and each stage around itself, for it may run in a worker's
    process; inside the flow's own block a stage's does nothing. Outside a run nothing is held.
    """
    run = flow_run.get_id()
    if run is None or not _take(run):
        yield
        return
    try:
        with open_store().pin(run):
            yield
    finally:
        with _lock:
            _holding.discard(run)


def _take(run: str) -> bool:
    """Whether this process did not hold the run yet."""
    with _lock:
        new = run not in _holding
        _holding.add(run)
    return new
