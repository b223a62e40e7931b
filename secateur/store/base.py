"""What every store can do."""

from __future__ import annotations

import abc
import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from secateur.store.artifact import Artifact, Reference
from secateur.store.errors import StoreError
from secateur.store.housekeeping import CollectReport, Entry, VerifyReport

_KEY = re.compile(r"[0-9a-f]{64}")


def check_key(key: str) -> str:
    """`key` itself, or a `ValueError` if it is not 64 hex digits."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a key; a key is a SHA-256 in 64 lower-case hex digits.")
    return key


class Pin(Protocol):
    """A run's hold on its artifacts; see `Store.pin`."""

    def add(self, *keys: str) -> None: ...


class Build(Protocol):
    """One build of one key; see `Store.build`.

    Attributes:
        artifact: the artifact, if it was there already or has been committed; else None.
    """

    artifact: Artifact | None

    @property
    def directory(self) -> Path: ...

    @property
    def partial(self) -> Path: ...

    def commit(self, digest: str, metadata: Mapping[str, Any] | None = None) -> Artifact: ...


class Store(abc.ABC):
    """Artifacts by key; `open_store` gives one.

    Attributes:
        location: the folder or URL, without credentials.
    """

    location: str

    @abc.abstractmethod
    def get(self, key: str) -> Artifact | None:
        """The artifact of `key`, or None unless it is there and whole.

        Every file is compared with the manifest. A broken artifact is noted in the log and
        counts as missing, so that it is built again.

        Raises:
            StoreError: if the store cannot be read.
        """

    @abc.abstractmethod
    def build(
        self,
        key: str,
        stage: str = "",
        inputs: Mapping[str, Any] | None = None,
        *,
        refresh: bool = False,
    ) -> AbstractContextManager[Build]:
        """Looks `key` up, and lets the caller build it if it is not there.

        In the `with` block, `build.artifact` is the artifact if it is there. If it is None, this
        caller alone builds it: write files into `build.directory` and call `build.commit`. Any
        other thread or process that wants the same key waits meanwhile. `build.partial` is a
        folder that survives a crash and is given to the next build of the same key (checkpoints);
        it goes when the artifact is stored. Leaving the block without a commit stores nothing.

        Args:
            key: 64 hex digits.
            stage: who builds it (for listings).
            inputs: what it is made from, as plain JSON (for lineage).
            refresh: build it though it is there; the new artifact takes the old one's place
                (a run that is just reading the old one's files loses them).

        Raises:
            StoreError: if the store cannot be written (full, read-only, not a folder ...).
        """

    @abc.abstractmethod
    def pin(self, run: str) -> AbstractContextManager[Pin | None]:
        """Holds, until the block is left, every artifact that this process gets or builds.

        Collections leave them alone. All processes that give the same `run` (a flow run's id)
        share one list of keys, and it is kept as long as one of them is in its block, so a flow
        enters it around everything and each of its workers around each task. A killed process
        counts as having left. Yields an object with `add(*keys)`; None where the store is
        read-only.
        """

    @abc.abstractmethod
    def list(self) -> Iterator[Entry]:
        """All objects, sorted by key, with size and times; no file of theirs is read."""

    @abc.abstractmethod
    def verify(self) -> VerifyReport:
        """Compares every file of every object with its digest."""

    @abc.abstractmethod
    def collect(
        self,
        older_than: float | datetime.timedelta | None = None,
        max_bytes: int | None = None,
        keep: Iterable[str] = (),
        dry_run: bool = False,
    ) -> CollectReport:
        """Removes what is not needed, and never what a running flow holds (`pin`).

        Always: broken objects, and what dead builds left (checkpoints after a week).

        Args:
            older_than: also objects that were not used for so long (seconds or a timedelta).
            max_bytes: also those unused for longest, until all objects fit into so many bytes.
            keep: keys that stay in any case.
            dry_run: only report.

        Raises:
            ValueError: for a negative limit.
            StoreError: if the store cannot be read or written.
        """

    def open(self, reference: Reference) -> Artifact:
        """The artifact that `reference` names.

        Raises:
            StoreError: if it is not there, not whole, or has other content by now.
        """
        artifact = self.get(reference.key)
        if artifact is None:
            raise StoreError(
                f"The artifact {reference.key[:12]} is not (or no longer) whole in the store "
                f"{self.location!r}; run the same command again to rebuild it."
            )
        if artifact.digest != reference.digest:
            raise StoreError(
                f"The artifact {reference.key[:12]} in the store {self.location!r} was rebuilt "
                "with other content since it was referred to; run the same command again."
            )
        return artifact
