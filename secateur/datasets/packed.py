"""Files that may be compressed, opened as if they were not. Only `.zst` imports pyarrow."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path
from typing import BinaryIO, cast

PACKED = (".gz", ".bz2", ".zst")
"""Endings after that of a CSV file."""


def is_packed(file: Path) -> bool:
    """Whether a file's name says that it is compressed."""
    return file.suffix.lower() in PACKED


def open_bytes(file: Path) -> BinaryIO:
    """A file's content, taken out of its compression.

    Raises:
        ValueError: When it is read, one sentence: it is cut short or damaged.
    """
    ending = file.suffix.lower()
    if ending == ".gz":
        return _Checked(gzip.open(file, "rb"), file.name).buffered()
    if ending == ".bz2":
        return _Checked(bz2.open(file, "rb"), file.name).buffered()
    if ending == ".zst":
        import pyarrow  # zstandard takes a file that is cut short for a whole one

        whole = pyarrow.CompressedInputStream(pyarrow.OSFile(str(file)), "zstd")
        return _Checked(whole, file.name).buffered()
    return file.open("rb")


def open_text(file: Path, encoding: str, errors: str) -> io.TextIOWrapper:
    """The same as text, its line ends as they stand there."""
    return io.TextIOWrapper(open_bytes(file), encoding, errors, newline="")


class _Checked(io.RawIOBase):
    """A stream that says in one way that it is damaged."""

    def __init__(self, stream, name: str):
        self._stream, self._name = stream, name

    def buffered(self) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(self, 1 << 18))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            content = self._stream.read(len(buffer))
        except Exception as error:
            reading = isinstance(error, OSError) and error.errno is not None
            if reading or isinstance(error, MemoryError):
                raise
            raise ValueError(  # zlib, bz2 and zstandard have errors of their own
                f"{self._name!r} is cut short, damaged or not compressed as it is called "
                f"({error}); copy or write it again."
            ) from error
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
