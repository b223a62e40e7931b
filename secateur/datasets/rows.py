"""Rows of a large array, read from its file without mapping it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from typing import TypeGuard

import numpy as np


class RowReader:
    """Reads rows of a memory-mapped array without mapping them.

    Pages that a map has touched count as the process's memory, up to the size of the file; what is
    read into a buffer does not stay.

    Args:
        array: As `numpy.load(..., mmap_mode="r")` gives it, in C order.
    """

    def __init__(self, array: np.memmap):
        self._shape, self._dtype = array.shape[1:], array.dtype
        self._row = array.dtype.itemsize * int(np.prod(self._shape))
        self._offset, self._path = array.offset, str(array.filename)
        self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115  (as long as this object)

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        """The rows at `indices`, of shape `(len(indices), *shape)`.

        Raises:
            OSError: The file ends before a row does.
        """
        rows = np.empty((len(indices), *self._shape), self._dtype)
        raw = rows.reshape(-1).view(np.uint8).reshape(len(indices), self._row)
        for place, index in enumerate(indices):
            self._fill(raw[place], index, index)
        return rows

    def between(self, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to before `stop`, in one go; error as when called."""
        rows = np.empty((stop - start, *self._shape), self._dtype)
        self._fill(rows.reshape(-1).view(np.uint8), start, stop - 1)
        return rows

    def _fill(self, buffer: np.ndarray, first: int, last: int) -> None:
        done = 0
        while done < buffer.size:  # of more than 2 GB the system reads a part
            place = self._offset + first * self._row + done
            read = os.preadv(self._file.fileno(), [buffer.data[done:]], place)
            if not read:
                broken = first + done // max(1, self._row)
                raise OSError(f"{self._path} is cut short: row {min(broken, last)} is not whole.")
            done += read


def reading(array: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function: indices of rows -> the rows; those of a file are read, and not mapped."""
    return RowReader(array) if _of_a_file(array) else array.__getitem__


def pieces(array: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """The array in consecutive pieces of so many rows; of a file, one at a time is in memory."""
    reader = RowReader(array) if _of_a_file(array) else None
    for start in range(0, len(array), rows):
        stop = min(start + rows, len(array))
        yield reader.between(start, stop) if reader else array[start:stop]


def _of_a_file(array: np.ndarray) -> TypeGuard[np.memmap]:
    """Whether it is the whole of a file's array: a part of one does not know where it begins."""
    whole = isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap)
    return whole and array.flags.c_contiguous
