"""What a run reads must not lie where it writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from secateur.datasets.config import DatasetConfig
from secateur.models.config import ModelConfig
from secateur.store.environment import cache_folder, setting
from secateur.store.settings import VARIABLE

Input = tuple[str, str]
"""The name of a parameter, and the file or folder that it names."""


def inputs_of(model: ModelConfig | None, dataset: DatasetConfig) -> list[Input]:
    """The files and folders that a model and data come from."""
    found = [("dataset.path", dataset.path)]
    if model is not None:
        found += [(f"model.{name}", getattr(model, name)) for name in ("path", "weights", "preset")]
    if dataset.data_dir and dataset.name:
        name = dataset.name.partition(":")[0].partition("/")[0]
        found.append(("dataset.data_dir", os.path.join(dataset.data_dir, name)))
    return [(name, value) for name, value in found if value is not None]


def store_input() -> list[Input]:
    """The store, where that is a folder: whoever tidies it would take results for leftovers."""
    location = setting(VARIABLE) or str(cache_folder() / "store")
    return [] if "://" in location else [(VARIABLE, location)]


def check_inputs(folder: Path, names: Iterable[str], inputs: Iterable[Input]) -> None:
    """Refuses inputs that results would be written over or into.

    Args:
        folder: The output folder, without links.
        names: Of the results in it.
        inputs: What is read.

    Raises:
        ValueError: One sentence.
    """
    names = list(names)
    for label, given in inputs:
        place = Path(os.path.realpath(os.path.expanduser(given)))
        for name in names:
            if place.is_relative_to(folder / name) or _same(place, folder / name):
                raise ValueError(
                    f"{label} is {given!r}, where the result {name!r} would be written; give "
                    "another output folder."
                )
        if place.is_dir() and folder.is_relative_to(place):
            raise ValueError(
                f"output is {str(folder)!r}, which lies in what {label} names ({given!r}): results "
                "do not belong in what runs read; give another output folder."
            )


def _same(one: Path, other: Path) -> bool:
    """Whether both are the same file, also by names that differ in case alone where that is so."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
