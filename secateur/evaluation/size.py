"""How many bytes something takes, as it is and compressed."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import zstandard

from secateur.evaluation.schema import FileSize

_LEVEL = 3  # what the command zstd does unless told otherwise


class _Counter:
    """A file that only counts what is written to it."""

    size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing to flush: gzip asks for it."""


def file_size(path: Path) -> FileSize:
    """Measures a file, or a folder with all its files one after another, a piece at a time."""
    return size_of(_pieces(path))


def size_of(pieces: Iterable[bytes]) -> FileSize:
    """Measures bytes that come in pieces."""
    raw, gzipped, zstd = 0, _Counter(), _Counter()
    with (
        gzip.GzipFile("", "wb", 6, gzipped, mtime=0) as by_gzip,
        zstandard.ZstdCompressor(_LEVEL).stream_writer(cast(Any, zstd), closefd=False) as by_zstd,
    ):
        for piece in pieces:
            raw += len(piece)
            by_gzip.write(piece)
            by_zstd.write(piece)
    return FileSize(raw=raw, gzip=gzipped.size, zstd=zstd.size)


def _pieces(path: Path) -> Iterator[bytes]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as opened:
            while piece := opened.read(1 << 20):
                yield piece
