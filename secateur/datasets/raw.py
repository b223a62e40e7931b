"""What a source gives: the inputs and targets of each of its splits, not yet encoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.understanding import Understanding

ROWS = 1024
"""Examples that are read or written at a time."""


@dataclass(frozen=True)
class Raw:
    """Examples of one split of a source.

    Attributes:
        inputs: Name -> array `(examples, …)` of numbers, or `(examples,)` of strings (dtype
            object): a text.
        targets: Name -> array `(examples, …)` of numbers, or of strings: names of classes.
        class_names: Names of the classes that integer targets stand for, where the source tells.
        pictures: Of inputs that were encoded pictures, by name: what is known of all of them.
        categories: Of a table, whose one input has a column for each name: by the place of such
            a column, the values of which it holds the places.
        understood: What the reader made of the files of all splits; the training split has it.
    """

    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    class_names: tuple[str, ...] | None = None
    pictures: Mapping[str, Pictures] = field(default_factory=dict)
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    understood: Understanding | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


class ArrayWriter:
    """A `.npy` file that grows by rows; its count of rows need not be known before.

    numpy's header leaves room for the count to grow, so it is written again at the end.
    """

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]):
        self._path, self._dtype, self._shape = path, np.dtype(dtype), tuple(shape)
        self._count = 0
        self._file = path.open("w+b")
        self._header()

    def append(self, rows: np.ndarray) -> None:
        """Adds rows.

        Raises:
            ValueError: They have another shape than the first ones.
        """
        if rows.shape[1:] != self._shape:
            raise ValueError(f"an example of shape {rows.shape[1:]} follows one of {self._shape}")
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())
        self._count += len(rows)

    def close(self) -> np.ndarray:
        """Ends the file; gives its content as a memory map."""
        self._file.seek(0)
        self._header()
        self._file.close()
        return np.load(self._path, mmap_mode="r", allow_pickle=False)

    def _header(self) -> None:
        description = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, description)


def spool(
    batches: Iterable[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]],
    stem: Path,
    where: str,
) -> Raw:
    """Keeps what a stream gives: numbers in files called after `stem`, strings in memory.

    Args:
        batches: Pairs of inputs and targets by name; the same names in each.
        stem: Start of the files' path.
        where: What the stream is called, for messages.

    Raises:
        ValueError: The stream is empty, or its examples differ in shape.
    """
    writers: dict[tuple[int, str], ArrayWriter | list] = {}
    for batch in batches:
        for side, arrays in enumerate(batch):
            for name, array in arrays.items():
                key = (side, name)
                text = array.dtype.kind in "OSU"
                if key not in writers:
                    file = Path(f"{stem}_{len(writers)}.npy")
                    writers[key] = [] if text else ArrayWriter(file, array.dtype, array.shape[1:])
                writer = writers[key]
                if isinstance(writer, list):
                    writer.extend(_strings(array, where))
                    continue
                try:
                    writer.append(array)
                except ValueError as error:
                    raise ValueError(f"In {where}, {name!r}: {error}.") from error
    if not writers:
        raise ValueError(f"{where} holds no examples.")
    sides: tuple[dict, dict] = ({}, {})
    for (side, name), writer in writers.items():
        done = np.array(writer, dtype=object) if isinstance(writer, list) else writer.close()
        sides[side][name] = done
    return Raw(*sides)


def _strings(array: np.ndarray, where: str) -> list[str]:
    if array[:1].size > 1:
        raise ValueError(
            f"{where} has texts of the shape {array.shape[1:]} for each example; allowed is one."
        )
    try:
        return [v.decode() if isinstance(v, bytes) else str(v) for v in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} has a text that is no UTF-8.") from error
