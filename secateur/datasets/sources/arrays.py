"""`.npz` files: each array an input or a target. Pickled objects are refused, never loaded."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import Place, choose
from secateur.datasets.raw import Raw


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Reads the arrays that the parameters name; images of bytes stay bytes."""
    return {name: _split(files, config) for name, files in place.splits.items()}


def _split(files: tuple[Path, ...], config: DatasetConfig) -> Raw:
    parts = [_file(file, config) for file in files]
    try:
        inputs, targets = (
            {name: np.concatenate([part[side][name] for part in parts]) for name in parts[0][side]}
            for side in (0, 1)
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"The files beside {files[0].name!r} differ: {error}.") from error
    return Raw(inputs, targets)


def _file(file: Path, config: DatasetConfig) -> tuple[dict, dict]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            features, targets = choose(archive.files, config)
            inputs = {name: _array(archive[name], name, file) for name in features}
            given = {name: _array(archive[name], name, file) for name in targets}
    except (OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file.name!r} cannot be read as npz: {error}.") from error
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"{file.name!r} holds Python objects, which could run code when they are loaded; "
            "allowed are arrays of numbers and of text."
        ) from error
    sizes = {name: len(array) for name, array in (inputs | given).items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"The arrays of {file.name!r} differ in their number of examples: {told}.")
    return inputs, given


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
        return np.array([v.decode() if isinstance(v, bytes) else v for v in array.tolist()], object)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name!r} in {file.name!r} holds {array.dtype}; allowed are numbers and text."
        )
    return array.astype(np.int64) if array.dtype.kind == "b" else array
