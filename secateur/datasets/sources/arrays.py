"""`.npz` files: each array an input or a target. Pickled objects are refused, never loaded."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.origin import Origin
from secateur.datasets.places import Place, choose
from secateur.datasets.raw import ROWS, ArrayWriter, Raw
from secateur.datasets.sources.about import about
from secateur.datasets.split_names import in_one
from secateur.datasets.understanding import Column, Understanding


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Reads the arrays that the parameters name; images of bytes stay bytes.

    Inputs go from the archive to a file of their own a piece at a time, whatever their size.
    """
    found: dict[str, Raw] = {}
    parts: list[tuple[str, str, int]] = []
    for name, (files, names) in _splits(place).items():
        found[name], sizes = _split(files, names, config, scratch / name)
        parts += [(file.name, name, size) for file, size in zip(files, sizes, strict=True)]
    understood = Understanding(
        format="npz", files=Origin.of(parts).parts, columns=tuple(_columns(found))
    )
    return {name: replace(raw, understood=understood) for name, raw in found.items()}


def _splits(place: Place) -> dict[str, tuple[tuple[Path, ...], Mapping[str, str]]]:
    """The files of each split, and how their arrays are called where all lie in one file."""
    alone = place.splits.get("train", ()) if len(place.splits) == 1 else ()
    if len(alone) == 1:
        with _reading(alone[0]), zipfile.ZipFile(alone[0]) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        if splits := in_one(names):
            return {split: (alone, arrays) for split, arrays in splits.items()}
    return {split: (files, {}) for split, files in place.splits.items()}


def _split(
    files: tuple[Path, ...], names: Mapping[str, str], config: DatasetConfig, stem: Path
) -> tuple[Raw, list[int]]:
    parts = [_file(file, names, config) for file in files]
    joined: tuple[dict, dict] = ({}, {})
    for side in (0, 1):
        for number, (name, first) in enumerate(parts[0][side].items()):
            arrays = [part[side][name] for part in parts if name in part[side]]
            kinds = {(array.shape[1:], array.dtype == object) for array in arrays}
            if len(arrays) < len(parts) or len(kinds) > 1:
                raise ValueError(
                    f"The files beside {files[0].name!r} differ: each needs an array {name!r} of "
                    f"{'text' if first.dtype == object else 'numbers'}, with examples of the shape "
                    f"{first.shape[1:]}."
                )
            joined[side][name] = _joined(arrays, Path(f"{stem}_{side}_{number}.npy"))
    return Raw(*joined), [len(next(iter(inputs.values()))) for inputs, _ in parts]


def _columns(found: Mapping[str, Raw]) -> Iterator[Column]:
    """What the arrays hold, over all splits."""
    sides: tuple[tuple[Literal["feature", "target"], Any], ...] = (
        ("feature", found["train"].inputs),
        ("target", found["train"].targets),
    )
    for role, arrays in sides:
        for name in arrays:
            raws = found.values()
            each = [(r.inputs if role == "feature" else r.targets).get(name) for r in raws]
            there = [array for array in each if array is not None and len(array)]
            yield about(name, role, there)


def _joined(arrays: list[np.ndarray | Member], path: Path) -> np.ndarray:
    there = [array for array in arrays if not isinstance(array, Member)]
    if len(there) == len(arrays):
        return np.concatenate(there)
    dtype = np.result_type(*(array.dtype for array in arrays))
    writer = ArrayWriter(path, dtype, arrays[0].shape[1:])
    for array in arrays:
        for piece in array.pieces() if isinstance(array, Member) else [array]:
            writer.append(piece)
    return writer.close()


def _file(file: Path, names: Mapping[str, str], config: DatasetConfig) -> tuple[dict, dict]:
    with _reading(file), np.load(file, allow_pickle=False) as archive:
        own = names or {name: name for name in archive.files}
        features, targets = choose(list(own), config)
        inputs = {
            name: Member.of(file, own[name]) or _array(archive[own[name]], own[name], file)
            for name in features
        }
        given = {name: _array(archive[own[name]], own[name], file) for name in targets}
    sizes = {name: len(array) for name, array in (inputs | given).items()}
    if 0 in sizes.values():
        raise ValueError(f"{file.name!r} has no examples.")
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"The arrays of {file.name!r} differ in their number of examples: {told}.")
    return inputs, given


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What numpy, or the zip file, raises of a bad file, in one sentence."""
    try:
        yield
    except (OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file.name!r} cannot be read as npz: {error}.") from error
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"{file.name!r} holds Python objects, which could run code when they are loaded; "
            "allowed are arrays of numbers and of text."
        ) from error


@dataclass(frozen=True)
class Member:
    """Numbers in an archive, not read yet."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @classmethod
    def of(cls, file: Path, name: str) -> Member | None:
        """The array called `name`; None if it has to be read as a whole to be understood.

        Raises:
            EOFError: It is shorter than it says.
        """
        with zipfile.ZipFile(file) as archive:
            if (entry := f"{name}.npy") not in archive.namelist():
                return None
            with archive.open(entry) as content:
                head = _head(content)
                if head is None:
                    return None
                shape, dtype = head
                if archive.getinfo(entry).file_size - content.tell() < prod(shape) * dtype.itemsize:
                    raise EOFError(f"{name} is cut short")
        return cls(file, name, shape, dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def pieces(self) -> Iterator[np.ndarray]:
        """The rows, so many at a time."""
        row = prod(self.shape[1:]) * self.dtype.itemsize
        with (
            _reading(self.file),
            zipfile.ZipFile(self.file) as archive,
            archive.open(f"{self.name}.npy") as content,
        ):
            _head(content)
            for start in range(0, len(self), ROWS):
                rows = min(ROWS, len(self) - start)
                bytes_ = content.read(rows * row)
                if len(bytes_) < rows * row:
                    raise EOFError(f"{self.name} is cut short")
                yield np.frombuffer(bytes_, self.dtype).reshape(rows, *self.shape[1:])
            content.read()  # the end of it, where its checksum is compared


def _head(content: IO[bytes]) -> tuple[tuple[int, ...], np.dtype] | None:
    """Shape and type of numbers that lie one after another, example by example."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    read = readers.get(np.lib.format.read_magic(content))
    if read is None:
        return None
    shape, columns_first, dtype = read(content)
    plain = shape and not columns_first and dtype.kind in "iuf"
    return (shape, dtype) if plain else None


def _array(array: np.ndarray, name: str, file: Path) -> np.ndarray:
    if not array.ndim:
        raise ValueError(
            f"{name!r} in {file.name!r} is a single value; its first axis shall be "
            "the examples: choose others by dataset.features and dataset.target."
        )
    if array.dtype.kind in "SU":
        texts = array.reshape(len(array), -1)[:, 0] if array.ndim == 1 else None
        if texts is None:
            raise ValueError(
                f"{name!r} in {file.name!r} is a table of text; allowed is one text "
                "for each example."
            )
        return _decoded(array, name, file)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name!r} in {file.name!r} holds {array.dtype}; allowed are numbers and text."
        )
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def _decoded(array: np.ndarray, name: str, file: Path) -> np.ndarray:
    texts = np.empty(len(array), dtype=object)
    for number, value in enumerate(array.tolist()):
        try:
            texts[number] = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The text {name!r} is no UTF-8 in example {number + 1} of {file.name!r}; write it "
                "as str, or decode it before."
            ) from error
    return texts
