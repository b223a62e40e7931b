"""Pins: a running flow holds the artifacts it uses, so that no collection takes them.

A run is a folder `pins/<run>/` with a list of keys and one lock file for each process (or
`with` block) that takes part. The kernel frees the locks of the dead, so a run whose locks are all
free has ended, however it ended. Noting a key and removing an object exclude each other by
one lock for the store, held for moments.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock

from secateur.store import locks
from secateur.store.errors import from_os_error

_log = logging.getLogger(__name__)

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

_active: dict[Path, list[Pin]] = {}
_guard = threading.Lock()


class Pin:
    """The part of one process in a run's pins; made by `Store.pin`."""

    def __init__(self, root: Path, run: str) -> None:
        self._root = root
        # A run's name may hold anything; its folder may not.
        self._folder = root / "pins" / hashlib.sha256(run.encode()).hexdigest()[:32]
        self._known: set[str] = set()
        self._alive = FileLock(
            self._folder / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.lock", thread_local=False
        )

    def add(self, *keys: str) -> None:
        """Holds further keys (such as those that a worker of the run reported)."""
        if new := [key for key in dict.fromkeys(keys) if key not in self._known]:
            with exclusive(self._root), (self._folder / "keys").open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in new))
            self._known.update(new)

    def _enter(self) -> None:
        with exclusive(self._root):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._alive.acquire()

    def _leave(self) -> None:
        with exclusive(self._root):
            self._alive.release()
            Path(self._alive.lock_file).unlink(missing_ok=True)
            if not any(_participants(self._folder)):
                shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Excludes other pinning and removing in the same store, for moments."""
    folder = root / "pins"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "pins.lock", thread_local=False):
        yield


@contextlib.contextmanager
def pin(root: Path, run: str) -> Iterator[Pin | None]:
    """Takes part in the run's pins until the block is left; None where the store is read-only."""
    mine = Pin(root, run)
    try:
        mine._enter()
    except OSError as error:
        if error.errno not in _DENIED:
            raise from_os_error(error, "write", root / "pins") from error
        _log.debug("%s cannot be written, so nothing is pinned there.", root)
        yield None
        return
    with _guard:
        _active.setdefault(root, []).append(mine)
    try:
        yield mine
    finally:
        with _guard:
            _active[root].remove(mine)
        with contextlib.suppress(OSError):
            mine._leave()


def note(root: Path, keys: Iterable[str]) -> None:
    """Adds keys to all pins that this process has on the store."""
    with _guard:
        active = list(_active.get(root, ()))
    for mine in active:
        try:
            mine.add(*keys)
        except OSError as error:
            raise from_os_error(error, "write", root / "pins") from error


def held(root: Path) -> frozenset[str]:
    """All keys of runs that are alive; what dead runs left is removed. Call under `exclusive`."""
    keys: set[str] = set()
    for folder in (root / "pins").iterdir():
        if not folder.is_dir():
            continue
        if any(_participants(folder)):
            with contextlib.suppress(FileNotFoundError):
                keys.update((folder / "keys").read_text(encoding="ascii").split())
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return frozenset(keys)


def _participants(folder: Path) -> Iterator[Path]:
    """Lock files of the living."""
    for path in folder.glob("*.lock"):
        with locks.hold_if_free(path) as free:
            if not free:
                yield path
