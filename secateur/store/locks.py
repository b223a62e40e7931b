"""Locks per key, between threads and processes; the kernel frees them when a process dies."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from secateur.store.errors import StoreError

_log = logging.getLogger(__name__)

# Seconds of waiting before it is said, then between further lines.
FIRST_NOTE = 3.0
NEXT_NOTE = 60.0

_held: dict[Path, int] = {}
_guard = threading.Lock()


@contextlib.contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Holds the lock file `path`; waits as long as somebody else holds it, and says so.

    Raises:
        StoreError: if this very thread holds it already (it would wait for itself).
    """
    me = threading.get_ident()
    with _guard:
        if _held.get(path) == me:
            raise StoreError(f"This thread builds {what} already; builds of a key cannot nest.")
    lock = FileLock(path, thread_local=False)
    patience, begun = FIRST_NOTE, time.monotonic()
    while True:
        try:
            lock.acquire(timeout=patience)
            break
        except Timeout:
            waited = time.monotonic() - begun
            _log.info("Waiting for another run that builds %s (%.0f s so far).", what, waited)
            patience = NEXT_NOTE
    with _guard:
        _held[path] = me
    try:
        yield
    finally:
        with _guard:
            _held.pop(path, None)
        lock.release()


@contextlib.contextmanager
def hold_if_free(path: Path) -> Iterator[bool]:
    """Holds the lock file `path` if nobody does; yields whether it is held."""
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
