"""A folder of images for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.folders import entries, files_below
from secateur.datasets.layout import Place
from secateur.datasets.pictures.decode import DTYPES
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.raw import ArrayWriter, Raw

Labelled = list[tuple[Path, int]]
"""Files, and the number of the class of each."""


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """The sorted names of the training split's folders are the classes."""
    folders = {
        name: _files(each[0], config, least=2 if name == "train" else 1)
        for name, each in place.splits.items()
    }
    names = tuple(folders["train"])
    for split, classes in folders.items():
        for name in classes:
            if name not in names:
                raise ValueError(
                    f"The split {split} of {config.path!r} has a folder {name!r}, but the training "
                    f"split has none; its classes are {', '.join(names)}."
                )
    labelled = {
        split: [(file, names.index(name)) for name, files in classes.items() for file in files]
        for split, classes in folders.items()
    }
    pictures = Pictures(str(config.path), config.image_size)
    for files in labelled.values():
        for file, _ in files:
            pictures.look(file, file.name)
    return {
        split: _split(files, names, pictures, scratch / f"{split}.npy")
        for split, files in labelled.items()
    }


def _files(folder: Path, config: DatasetConfig, least: int) -> dict[str, list[Path]]:
    """The images of each class, of which there are so many at least."""
    found = {entry.name: list(files_below(entry)) for entry in entries(folder) if entry.is_dir()}
    empty = [name for name, files in found.items() if not files]
    if empty and config.classes != len(found):
        raise ValueError(
            f"The folder {empty[0]!r} of {folder.name!r} holds no images; add some, take it out, "
            f"or say dataset.classes {len(found)} if the model has a class without examples."
        )
    if len(found) < least:
        raise ValueError(
            f"The folder {folder.name!r} has {len(found)} folder(s) inside; allowed are two or "
            "more, one for each class."
        )
    return found


def _split(files: Labelled, names: tuple[str, ...], pictures: Pictures, path: Path) -> Raw:
    writer = None
    for file, _ in files:
        values = pictures.decode(file, file.name)
        writer = writer or ArrayWriter(path, np.dtype(DTYPES[pictures.rule.kind]), values.shape)
        writer.append(values[None])
    if writer is None:
        raise ValueError(f"The split {path.stem} holds no images.")
    labels = np.array([label for _, label in files], np.int64)
    return Raw({"": writer.close()}, {"label": labels}, names, {"": pictures})
