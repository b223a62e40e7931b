"""The store in a folder."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from secateur.store import locks, manifest, pins, upkeep
from secateur.store.artifact import Artifact
from secateur.store.base import Store, check_key
from secateur.store.building import LocalBuild
from secateur.store.canonical import canonical_json
from secateur.store.errors import from_os_error
from secateur.store.housekeeping import CollectReport, Entry, VerifyReport
from secateur.store.manifest import BrokenError, Manifest, Marks

_log = logging.getLogger(__name__)

_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class LocalStore(Store):
    """Artifacts in a folder that threads and processes share (also over NFS with locks).

    Layout::

        objects/<2>/<key>/manifest.json   sizes and digests; its date is the last use
        objects/<2>/<key>/files/          what the build wrote
        tmp/<key>.<random>/               builds under way
        partial/<key>/                    what a build keeps over a crash
        locks/<key>.lock                  held by the one that builds
        verified/<2>/<key>.json           marks of big files that need no new hash
        pins/<run>/                       what running flows hold

    Args:
        root: the folder; it is made at the first build.

    Raises:
        StoreError: if `root` is not a folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(os.path.abspath(Path(root).expanduser()))
        self.location = str(self.root)
        self._swept = False
        try:
            if not self.root.is_dir() and self.root.exists():
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", self.location)
        except OSError as error:
            raise from_os_error(error, "use", self.root) from error

    def __repr__(self) -> str:
        return f"LocalStore({self.location!r})"

    # ---- places --------------------------------------------------------------------------------

    def object_folder(self, key: str) -> Path:
        return self.root / "objects" / key[:2] / key

    def partial_folder(self, key: str) -> Path:
        return self.root / "partial" / key

    def lock_file(self, key: str) -> Path:
        return self.root / "locks" / f"{key}.lock"

    def verified_file(self, key: str) -> Path:
        return self.root / "verified" / key[:2] / f"{key}.json"

    # ---- reading -------------------------------------------------------------------------------

    def get(self, key: str) -> Artifact | None:
        check_key(key)
        pins.note(self.root, [key])  # first, so that no collection comes in between
        try:
            found = self.read(key)
        except BrokenError as error:
            _log.warning(
                "The artifact %s in %s is broken (%s); it counts as missing and will be rebuilt.",
                key[:12],
                self.location,
                error,
            )
            return None
        except OSError as error:
            raise from_os_error(error, "read", self.object_folder(key)) from error
        if found is None:
            return None
        folder = self.object_folder(key)
        with contextlib.suppress(OSError):  # a store that is only readable keeps no last use
            os.utime(folder / manifest.NAME)
        return found.artifact(folder / manifest.FILES, folder.as_uri())

    def read(self, key: str, *, hash_all: bool = False) -> Manifest | None:
        """The manifest of `key` after a check of its files, or None if there is no such object.

        Raises:
            BrokenError: if the object is not whole.
            OSError: if it cannot be read.
        """
        folder = self.object_folder(key)
        try:
            data = (folder / manifest.NAME).read_bytes()
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            if folder.exists():
                raise BrokenError("its manifest is missing") from error
            return None
        found = Manifest.from_bytes(data, key)
        try:
            if extra := set(os.listdir(folder)) - {manifest.NAME, manifest.FILES}:
                raise BrokenError(f"{min(extra)!r} does not belong to it")
            big = any(size > manifest.BIG_FILE for size, _ in found.files.values())
            before = self._remembered(key) if big and not hash_all else {}
            marks = manifest.check(folder / manifest.FILES, found, before)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            raise BrokenError("a file of it is missing") from error
        if marks != before:
            self._remember(key, marks)
        return found

    def _remembered(self, key: str) -> Marks:
        try:
            marks = json.loads(self.verified_file(key).read_bytes())
        except (OSError, ValueError):
            return {}
        return marks if isinstance(marks, dict) else {}

    def _remember(self, key: str, marks: Marks) -> None:
        path = self.verified_file(key)
        with contextlib.suppress(OSError):  # it only saves time
            path.parent.mkdir(parents=True, exist_ok=True)
            spare = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            spare.write_text(json.dumps(marks))
            spare.replace(path)

    # ---- building ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def build(
        self,
        key: str,
        stage: str = "",
        inputs: Mapping[str, Any] | None = None,
        *,
        refresh: bool = False,
    ) -> Iterator[LocalBuild]:
        check_key(key)
        canonical_json(inputs or {})  # refuse what no manifest can hold before any work
        build = LocalBuild(self, key, stage, dict(inputs or {}))

        def look() -> Artifact | None:
            return None if refresh else self.get(key)

        build.artifact = look()
        if build.artifact is not None:
            yield build
            return
        self.prepare()
        with self.building(build, look):
            yield build

    @contextlib.contextmanager
    def building(
        self,
        build: LocalBuild,
        look: Callable[[], Artifact | None],
        leased: AbstractContextManager[None] | None = None,
    ) -> Iterator[None]:
        """Holds the lock of a build's key (then its lease), looks again, and opens the build."""
        lock = self.lock_file(build.key)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.hold(lock, build.label))
            except OSError as error:
                raise from_os_error(error, "lock", lock) from error
            if leased is not None:
                stack.enter_context(leased)
            stack.callback(build.discard)
            build.artifact = look()
            if build.artifact is None:
                build.begin()
            try:
                yield
            except OSError as error:
                if self._is_about_us(error):
                    raise from_os_error(error, "write", self.root) from error
                raise

    def _is_about_us(self, error: OSError) -> bool:
        """Whether an error inside a build came from the store's disk and not from elsewhere."""
        if not isinstance(error.filename, str):
            return error.errno in (errno.ENOSPC, errno.EDQUOT)
        return Path(os.path.abspath(error.filename)).is_relative_to(self.root)

    def prepare(self) -> None:
        """Makes the store's folders, and once in a process clears what dead builds left."""
        try:
            for name in ("objects", "tmp", "partial", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            if not self._swept:
                self._swept = True
                self.sweep()
        except OSError as error:
            raise from_os_error(error, "write", self.root) from error

    # ---- housekeeping --------------------------------------------------------------------------

    def list(self) -> Iterator[Entry]:
        for key in upkeep.keys(self):
            if (found := upkeep.entry(self, key)) is not None:
                yield found

    def verify(self) -> VerifyReport:
        return upkeep.verify(self)

    def collect(
        self,
        older_than: float | datetime.timedelta | None = None,
        max_bytes: int | None = None,
        keep: Iterable[str] = (),
        dry_run: bool = False,
    ) -> CollectReport:
        return upkeep.collect(self, older_than, max_bytes, keep, dry_run)

    def pin(self, run: str) -> AbstractContextManager[pins.Pin | None]:
        return pins.pin(self.root, run)

    def sweep(self) -> Sequence[Path]:
        """Removes the folders in `tmp/` of builds that are no more, and returns them."""
        gone = []
        for entry in sorted((self.root / "tmp").iterdir()):
            with locks.hold_if_free(self.lock_file(entry.name.partition(".")[0])) as free:
                if free:
                    gone.append(entry)
                    shutil.rmtree(entry, ignore_errors=True)
        return gone

    def place(self, folder: Path, entry: Manifest) -> None:
        """Makes `folder` (with its `files/`, synced) the object of `entry`, in one rename."""
        path = folder / manifest.NAME
        path.write_bytes(entry.to_bytes())
        manifest.sync(path)
        manifest.sync(folder)
        target = self.object_folder(entry.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with contextlib.suppress(FileNotFoundError):
                old = self.temporary(entry.key)  # a broken one, or one that is refreshed
                target.rename(old)
                shutil.rmtree(old, ignore_errors=True)
            try:
                folder.rename(target)
                break
            except OSError as error:  # a copy from a remote store was placed in between
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        manifest.sync(target.parent)
        manifest.sync(target.parent.parent)

    def temporary(self, key: str) -> Path:
        """A name for a new folder in `tmp/` that belongs to whoever holds the lock of `key`."""
        return self.root / "tmp" / f"{key}.{uuid.uuid4().hex[:12]}"
