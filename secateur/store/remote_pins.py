"""Pins of a remote store: objects that a running flow renews, and markers of the keys it uses.

pins/<run>/alive/<participant>     renewed; a run without a fresh one has ended
pins/<run>/keys/<key>              what it uses
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from secateur.store import lease, pins
from secateur.store.bucket import Bucket
from secateur.store.errors import StoreError

if TYPE_CHECKING:
    from secateur.store.remote import RemoteStore

_log = logging.getLogger(__name__)

_active: dict[str, list[Pin]] = {}
_guard = threading.Lock()


class Pin:
    """The part of one process in a run's pins; made by `RemoteStore.pin`."""

    def __init__(self, store: RemoteStore, run: str) -> None:
        self._bucket = store.bucket
        self._folder = f"pins/{hashlib.sha256(run.encode()).hexdigest()[:32]}"
        me = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self.alive = f"{self._folder}/alive/{me}"
        self._known: set[str] = set()
        self.local: pins.Pin | None = None

    def add(self, *keys: str) -> None:
        """Holds further keys (such as those that a worker of the run reported)."""
        if self.local is not None:
            self.local.add(*keys)
        for key in keys:
            if key not in self._known:
                self._bucket.write(f"{self._folder}/keys/{key}", b"")
                self._known.add(key)

    def leave(self) -> None:
        self._bucket.delete(self.alive)
        if not self._bucket.find(f"{self._folder}/alive"):
            self._bucket.delete(*self._bucket.find(f"{self._folder}/keys"))


@contextlib.contextmanager
def pin(store: RemoteStore, run: str) -> Iterator[Pin | None]:
    """Takes part in the run's pins, and in those of the local copies, until the block is left."""
    mine = Pin(store, run)
    with store.local.pin(run) as mine.local:
        try:
            store.bucket.write(mine.alive, b"")
        except StoreError as error:
            if error.transient:
                raise
            # Most likely it may only be read. A build would say so before any work.
            _log.warning("Nothing is pinned against collections elsewhere: %s", error)
            yield None
            return
        renewal = lease.Renewal(store.bucket, mine.alive, b"", store.limit, check=False)
        with _guard:
            _active.setdefault(store.location, []).append(mine)
        try:
            yield mine
        finally:
            with _guard:
                _active[store.location].remove(mine)
            renewal.stop()
            with contextlib.suppress(StoreError):  # it ends by itself
                mine.leave()


def note(location: str, key: str) -> None:
    """Adds a key to all pins that this process has on the store."""
    with _guard:
        active = list(_active.get(location, ()))
    for mine in active:
        mine.add(key)


def held(bucket: Bucket, limit: float, *, tidy: bool = False) -> frozenset[str]:
    """All keys of runs that are alive. `tidy` removes what dead runs left."""
    found = bucket.find("pins")
    if not found:
        return frozenset()
    now = bucket.now()
    living = {
        name.split("/")[1]
        for name, info in found.items()
        if name.split("/")[2] == "alive" and now - info.modified <= limit
    }
    if tidy:  # long after the end, as a run that begins writes its first marker before others
        old = [n for n, i in found.items() if n.split("/")[1] not in living]
        bucket.delete(*(n for n in old if now - found[n].modified > 10 * limit))
    return frozenset(
        name.split("/")[3]
        for name in found
        if name.split("/")[2] == "keys" and name.split("/")[1] in living
    )
