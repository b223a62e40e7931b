"""The store at a URL: S3, Google Cloud Storage, and whatever else fsspec can reach."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from secateur.store import lease, locks, manifest, remote_pins, remote_upkeep
from secateur.store.artifact import Artifact
from secateur.store.base import Store, check_key
from secateur.store.bucket import Bucket
from secateur.store.building import LocalBuild
from secateur.store.canonical import canonical_json
from secateur.store.environment import cache_folder, setting
from secateur.store.errors import StoreError, from_os_error
from secateur.store.housekeeping import CollectReport, Entry, VerifyReport
from secateur.store.local import LocalStore
from secateur.store.manifest import BrokenError, Manifest

_log = logging.getLogger(__name__)

USED_EVERY = 3600.0
"""Seconds within which a further use of an object by the same machine is not noted again."""


class RemoteStore(Store):
    """Artifacts at a URL, with a read-through copy of those this machine used.

    Layout below the URL::

        objects/<2>/<key>/manifest.json       written last, and only if there is none
        objects/<2>/<key>/<upload>/...        the files; each upload has a folder of its own
        leases/<key>.json                     who builds it; see `lease`
        pins/<run>/...                        what running flows hold
        used/<2>/<key>                        its date is the last use (to the hour)

    Builds run in the local folder, `partial` included: checkpoints of a killed build serve the
    next build on the same machine, while another machine starts afresh.

    Args:
        url: where; any URL that fsspec knows.
        cache: folder of the local copies, itself a `LocalStore`. By default one for each URL
            below `SECATEUR_STORE_CACHE` or the user's cache folder.
        limit: seconds without renewal after which a worker counts as dead.

    Raises:
        StoreError: if the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        cache: str | os.PathLike[str] | None = None,
        limit: float = lease.TIME_LIMIT,
    ) -> None:
        self.bucket = Bucket(url)
        self.location = self.bucket.shown
        self.limit = limit
        self.local = LocalStore(_default_cache(self.location) if cache is None else cache)
        self._used: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"RemoteStore({self.location!r})"

    # ---- reading -------------------------------------------------------------------------------

    @staticmethod
    def manifest_name(key: str) -> str:
        return f"objects/{key[:2]}/{key}/{manifest.NAME}"

    @staticmethod
    def file_name(found: Manifest, name: str) -> str:
        return f"objects/{found.key[:2]}/{found.key}/{found.upload}/{name}"

    def get(self, key: str) -> Artifact | None:
        check_key(key)
        remote_pins.note(self.location, key)  # first, so that no collection comes in between
        data = self.bucket.read(self.manifest_name(key))
        if data is None:
            return None
        try:
            found = Manifest.from_bytes(data, key)
            artifact = self._copied(found) or self._download(found)
        except BrokenError as error:
            _log.warning(
                "The artifact %s in %s is broken (%s); it counts as missing and will be rebuilt.",
                key[:12],
                self.location,
                error,
            )
            return None
        except OSError as error:
            raise from_os_error(error, "write", self.local.root) from error
        self._note_use(key)
        return artifact

    def uri(self, key: str) -> str:
        return f"{self.location}/objects/{key[:2]}/{key}"

    def _copied(self, found: Manifest) -> Artifact | None:
        """The local copy, if it is whole and of the very same upload."""
        try:
            copied = self.local.read(found.key)
        except BrokenError as error:
            _log.info("The local copy of %s is broken (%s).", found.key[:12], error)
            return None
        if copied is None or copied.to_bytes() != found.to_bytes():
            return None
        folder = self.local.object_folder(found.key)
        with contextlib.suppress(OSError):
            os.utime(folder / manifest.NAME)
        return found.artifact(folder / manifest.FILES, self.uri(found.key))

    def _download(self, found: Manifest) -> Artifact:
        self.local.prepare()
        label = f"{found.key}-download"  # not the lock of the key: a build may hold that
        with locks.hold(self.local.lock_file(label), f"the copy of {found.key[:12]}"):
            if (artifact := self._copied(found)) is not None:
                return artifact  # another thread or process was quicker
            folder = self.local.temporary(label)
            try:
                self._fetch(found, folder / manifest.FILES)
                self.local.place(folder, found)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        target = self.local.object_folder(found.key)
        return found.artifact(target / manifest.FILES, self.uri(found.key))

    def _fetch(self, found: Manifest, folder: Path) -> None:
        for name, (size, sha) in found.files.items():
            for last in (False, True):  # a transfer can go wrong once
                try:
                    self.bucket.download(self.file_name(found, name), folder / name)
                except FileNotFoundError as error:
                    raise BrokenError(f"{name!r} is missing") from error
                if (folder / name).stat().st_size == size:
                    if manifest.hash_file(folder / name) == sha:
                        break
                    problem = f"the content of {name!r} has changed"
                else:
                    problem = f"{name!r} has another size"
                if last:
                    raise BrokenError(problem)
            manifest.sync(folder / name)

    def _note_use(self, key: str) -> None:
        if time.monotonic() - self._used.get(key, -USED_EVERY) < USED_EVERY:
            return
        self._used[key] = time.monotonic()
        with contextlib.suppress(StoreError):  # a store that is only readable keeps no last use
            self.bucket.write(remote_upkeep.used_name(key), b"")

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

        def look() -> Artifact | None:
            return None if refresh else self.get(key)

        build = RemoteBuild(self, key, stage, dict(inputs or {}))
        build.artifact = look()
        if build.artifact is not None:
            yield build
            return
        remote_pins.note(self.location, key)
        self.local.prepare()
        leased = lease.hold(self.bucket, f"leases/{key}.json", build.label, self.limit)
        with self.local.building(build, look, leased):
            yield build

    # ---- housekeeping --------------------------------------------------------------------------

    def pin(self, run: str) -> AbstractContextManager[remote_pins.Pin | None]:
        return remote_pins.pin(self, run)

    def list(self) -> Iterator[Entry]:
        return remote_upkeep.entries(self)

    def verify(self) -> VerifyReport:
        return remote_upkeep.verify(self)

    def collect(
        self,
        older_than: float | datetime.timedelta | None = None,
        max_bytes: int | None = None,
        keep: Iterable[str] = (),
        dry_run: bool = False,
    ) -> CollectReport:
        return remote_upkeep.collect(self, older_than, max_bytes, keep, dry_run)


class RemoteBuild(LocalBuild):
    """A build for a `RemoteStore`: made locally, then uploaded; see `Store.build`."""

    def __init__(self, remote: RemoteStore, key: str, stage: str, inputs: dict[str, Any]) -> None:
        super().__init__(remote.local, key, stage, inputs)
        self._remote = remote
        self._old: bytes | None = None

    def begin(self) -> None:
        super().begin()
        self._upload = uuid.uuid4().hex[:16]
        # What is there now is broken or to be refreshed, so this build may replace it.
        self._old = self._remote.bucket.read(self._remote.manifest_name(self.key))

    def _uri(self) -> str:
        return self._remote.uri(self.key)

    def _place(self, folder: Path, entry: Manifest) -> Manifest:
        remote, bucket = self._remote, self._remote.bucket
        names = {name: remote.file_name(entry, name) for name in entry.files}
        try:
            for name, target in names.items():
                bucket.upload(folder / manifest.FILES / name, target)
            first = self._announce(entry)
        except BaseException:
            with contextlib.suppress(Exception):
                bucket.delete(*names.values())
            raise
        if first:
            remote._note_use(self.key)
            return super()._place(folder, entry)
        with contextlib.suppress(StoreError):
            bucket.delete(*names.values())
        theirs = remote.get(self.key)
        data = bucket.read(remote.manifest_name(self.key))
        if theirs is None or data is None:
            raise StoreError(
                f"Another worker stored {self.key[:12]} in {remote.location!r} at the same time, "
                "and it cannot be read; try again.",
                transient=True,
            )
        _log.info("Another worker stored %s first; its artifact is used.", self.key[:12])
        shutil.rmtree(folder, ignore_errors=True)
        return Manifest.from_bytes(data, self.key)

    def _announce(self, entry: Manifest) -> bool:
        """Writes the manifest; False if another worker's whole artifact is there already."""
        bucket, name = self._remote.bucket, self._remote.manifest_name(self.key)
        data = entry.to_bytes()
        if bucket.create(name, data):
            return True
        current = bucket.read(name)
        if current == data:
            return True  # our own first try, whose answer was lost
        if current == self._old:
            bucket.write(name, data)  # its files go with the next collection
            return True
        return current is None and bucket.create(name, data)


def _default_cache(location: str) -> Path:
    folder = setting("SECATEUR_STORE_CACHE")
    name = hashlib.sha256(location.encode()).hexdigest()[:16]
    return (Path(folder) if folder else cache_folder() / "remote") / name
