"""Objects that say "I am alive", renewed in the background: leases for builds, pins for runs.

An object that was not renewed for its time limit belongs to the dead. Its age is measured with
the server's clock alone. A lease saves double work; it does not guard the content: if two workers
ever build the same key (a machine that slept, a cut connection), the first manifest counts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from secateur.store.bucket import Bucket
from secateur.store.errors import StoreError

_log = logging.getLogger(__name__)

TIME_LIMIT = 60.0
"""Seconds after the last renewal at which a lease or pin ends."""

_FIRST_POLL, _LAST_POLL = 0.2, 5.0
_FIRST_NOTE, _NEXT_NOTE = 3.0, 60.0


class Renewal:
    """Writes an object again and again in the background until it is stopped."""

    def __init__(self, bucket: Bucket, name: str, body: bytes, limit: float, check: bool) -> None:
        self._bucket, self._name, self._body, self._check = bucket, name, body, check
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(limit / 4,), name="secateur-lease", daemon=True
        )
        self._thread.start()

    def _run(self, pause: float) -> None:
        while not self._stop.wait(pause):
            try:
                if self._check and self._bucket.read(self._name) != self._body:
                    _log.warning(
                        "The lease %s was lost to another worker; the first result will count.",
                        self._name,
                    )
                    return
                self._bucket.write(self._name, self._body)
            except (StoreError, OSError) as error:  # the next one may succeed before the limit
                _log.warning("A lease could not be renewed: %s", error)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)


def is_alive(bucket: Bucket, name: str, limit: float) -> bool:
    """Whether the object is there and was renewed within the limit."""
    modified = bucket.modified(name)
    return modified is not None and bucket.now() - modified <= limit


@contextlib.contextmanager
def hold(bucket: Bucket, name: str, what: str, limit: float = TIME_LIMIT) -> Iterator[None]:
    """Holds the lease `name` over the block; waits while another worker holds it.

    Args:
        bucket: where leases are kept.
        name: of the lease object.
        what: is built, for the log.
        limit: seconds without renewal after which a holder counts as dead.
    """
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "id": uuid.uuid4().hex}
    body = json.dumps(owner).encode()
    _acquire(bucket, name, body, what, limit)
    renewal = Renewal(bucket, name, body, limit, check=True)
    try:
        yield
    finally:
        renewal.stop()
        with contextlib.suppress(StoreError, OSError):  # it ends by itself
            if bucket.read(name) == body:
                bucket.delete(name)


def _acquire(bucket: Bucket, name: str, body: bytes, what: str, limit: float) -> None:
    begun, poll, next_note = time.monotonic(), _FIRST_POLL, _FIRST_NOTE
    while not bucket.create(name, body):
        if bucket.modified(name) is not None and not is_alive(bucket, name, limit):
            _log.warning("The worker that was building %s is dead; taking over.", what)
            _take_over(bucket, name, limit)
            continue
        waited = time.monotonic() - begun
        if waited >= next_note:
            _log.info("Waiting for another worker that builds %s (%.0f s so far).", what, waited)
            next_note = waited + _NEXT_NOTE
        time.sleep(poll * random.uniform(0.7, 1.3))
        poll = min(poll * 1.5, _LAST_POLL)


def _take_over(bucket: Bucket, name: str, limit: float) -> None:
    # Of several that see the same dead lease, one removes it: whoever makes this marker first.
    marker = f"{name}.takeover"
    if bucket.create(marker, b""):
        try:
            if not is_alive(bucket, name, limit):
                bucket.delete(name)
        finally:
            bucket.delete(marker)
    elif bucket.modified(marker) is not None and not is_alive(bucket, marker, limit):
        bucket.delete(marker)  # its maker died, too
    else:
        time.sleep(_FIRST_POLL)
