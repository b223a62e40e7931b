"""Rows of a large array, read from its file one by one."""

from __future__ import annotations

import os

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
            read = os.preadv(self._file.fileno(), [raw[place]], self._offset + index * self._row)
            if read != self._row:
                raise OSError(f"{self._path} is cut short: row {index} is not whole.")
        return rows
