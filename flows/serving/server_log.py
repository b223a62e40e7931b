"""What Prefect's server calls an error: it says so in its log, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

_ERROR = re.compile(rb"^[\d:.]+ \| (?:ERROR|CRITICAL) +\| (.*)$")
"""A line of Prefect's format: time, level, logger and message."""


class ServerLog:
    """The log of a running server, read as it grows.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0  # bytes
        self._told: set[bytes] = set()

    def errors(self) -> list[str]:
        """What is new since the last call, each kind of error once: `logger - message`.

        A service that fails does so each minute, in numbers and identifiers that change.
        """
        with self.path.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        new = new[: new.rfind(b"\n") + 1]  # the last line may be half written
        self._read += len(new)
        found = []
        for line in new.splitlines():
            if not (error := _ERROR.match(line)):
                continue
            kind = re.sub(rb"[0-9a-f-]*\d[0-9a-f-]*", b"", error[1])
            if kind not in self._told:
                self._told.add(kind)
                found.append(error[1].decode(errors="replace"))
        return found
