"""One run at a time writes into an output folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

NAME = ".secateur.lock"

_PATIENCE = 0.2  # seconds: another command that only looks holds it no longer

_mine: ContextVar[frozenset[Path]] = ContextVar("mine", default=frozenset())
"""Folders that the run holds that this code is a part of."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder; the kernel lets them in when a process dies.

    Args:
        folder: An existing folder, without links.

    Raises:
        ValueError: One sentence: another run has it, or it cannot be locked.
    """
    if folder in _mine.get():
        yield
        return
    lock = FileLock(folder / NAME, thread_local=False)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise ValueError(
            f"output is {str(folder)!r}, which another run is writing into; wait until it has "
            "ended, or give another folder."
        ) from error
    except OSError as error:
        raise ValueError(
            f"output is {str(folder)!r}, in which {NAME!r} cannot be locked ({error.strerror}); "
            "give another folder."
        ) from error
    _mine.set(_mine.get() | {folder})
    try:
        yield
    finally:
        _mine.set(_mine.get() - {folder})
        with contextlib.suppress(OSError):
            (
                folder / NAME
            ).unlink()  # held still: whoever opened it before will see that it is gone
        lock.release()
