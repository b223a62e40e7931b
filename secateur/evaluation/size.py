"""How many bytes a file takes, as it is and compressed."""

from __future__ import annotations

import gzip
from pathlib import Path

from secateur.evaluation.schema import FileSize


class _Counter:
    """A file that only counts what is written to it."""

    size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing to flush: gzip asks for it."""


def file_size(path: Path) -> FileSize:
    """Measures a file, reading a piece at a time."""
    counter = _Counter()
    with path.open("rb") as file, gzip.GzipFile("", "wb", 6, counter, mtime=0) as packed:
        while piece := file.read(1 << 20):
            packed.write(piece)
    return FileSize(raw=path.stat().st_size, gzip=counter.size)
