"""SHA-256 of users' files, remembered: what nobody touched since is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from secateur.store.environment import VARIABLE, cache_folder, setting
from secateur.store.manifest import hash_file

FILE = "content.sqlite"

_WHOLE = 1 << 16  # bytes up to which a file is hashed each time: as quick as looking it up
_BLOCK = 1 << 12
_TOGETHER = 500  # hashes written at a time
# A file changed within this time of being hashed may change again without its dates showing it.
_SETTLED_NS = 2 * 10**9

_log = logging.getLogger(__name__)


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits; see `content_hashes`."""
    return content_hashes([path])[0]


def content_hashes(paths: Iterable[Path]) -> list[str]:
    """SHA-256 of the content of each file, however large.

    A file is read once. Its hash is remembered with its path, size, date, the date of its inode's
    change, inode, device, and a hash of its first, middle and last 4 KiB; while all of these are
    the same, it stands. So a file that is given an old date, or replaced, is read again.

    What is remembered lies in `content.sqlite` in the folder of the store, or in the user's cache
    folder where the store is at a URL. Any number of processes may use it; where it cannot be
    written, files are read each time.

    Raises:
        OSError: A file cannot be read.
    """
    with contextlib.closing(_Memory()) as memory:
        return [_hash(path, memory) for path in paths]


def _hash(path: Path, memory: _Memory) -> str:
    status = path.stat()
    if status.st_size <= _WHOLE:
        return hash_file(path)
    name = os.path.abspath(path)
    mark = f"{_mark(status)} {_sample(path, status.st_size)}"
    if sha := memory.get(name, mark):
        return sha
    begun = time.time_ns()
    sha = hash_file(path)
    settled = max(status.st_mtime_ns, status.st_ctime_ns) < begun - _SETTLED_NS
    if settled and _mark(path.stat()) == _mark(status):
        memory.put(name, mark, sha)
    return sha


def _mark(status: os.stat_result) -> str:
    return (
        f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} "
        f"{status.st_ino} {status.st_dev}"
    )


def _sample(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for start in (0, (size - _BLOCK) // 2, size - _BLOCK):
            file.seek(start)
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


class _Memory:
    """The remembered hashes. It never fails: without it, files are read."""

    def __init__(self) -> None:
        self._open: sqlite3.Connection | None = None
        self._new: list[tuple[str, str, str]] = []

    def get(self, name: str, mark: str) -> str | None:
        with self._trying():
            asked = "SELECT sha FROM content WHERE name = ? AND mark = ?"
            found = self._database().execute(asked, (_text(name), mark)).fetchone()
            return found[0] if found else None
        return None

    def put(self, name: str, mark: str, sha: str) -> None:
        self._new.append((_text(name), mark, sha))
        if len(self._new) >= _TOGETHER:
            self._write()

    def close(self) -> None:
        self._write()
        if self._open:
            self._open.close()

    def _write(self) -> None:
        with self._trying():
            if self._new:
                with self._database() as database:  # one transaction
                    database.executemany("REPLACE INTO content VALUES (?, ?, ?)", self._new)
        self._new = []

    def _database(self) -> sqlite3.Connection:
        if self._open is None:
            folder = _folder()
            folder.mkdir(parents=True, exist_ok=True)
            self._open = sqlite3.connect(folder / FILE, timeout=10)
            self._open.execute(
                "CREATE TABLE IF NOT EXISTS content (name TEXT PRIMARY KEY, mark TEXT, sha TEXT)"
            )
        return self._open

    @contextlib.contextmanager
    def _trying(self):
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # locked, full, not to be written
            _log.debug("Hashes of files cannot be remembered: %s", error)
        except sqlite3.DatabaseError as error:  # damaged: it is made anew
            _log.debug("The remembered hashes of files are damaged: %s", error)
            with contextlib.suppress(OSError):
                (_folder() / FILE).unlink()


def _folder() -> Path:
    location = (setting(VARIABLE) or "").strip()
    if not location or ("://" in location and not location.startswith("file://")):
        return cache_folder()
    return Path(location.removeprefix("file://")).expanduser()


def _text(name: str) -> str:
    """A path as SQLite takes it, whatever bytes are in it."""
    return name.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
