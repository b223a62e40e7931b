"""What lies at `dataset.path`, answered without importing TensorFlow."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path

from secateur.datasets.config import DatasetConfig
from secateur.datasets.folders import files_below
from secateur.datasets.layout import KINDS, Place, find
from secateur.datasets.split_names import measured
from secateur.store.content import content_hashes

__all__ = ["KINDS", "Place", "check_place", "choose", "columns", "find", "fingerprint"]

TARGETS = ("label", "target", "y")
"""What a target is called where the parameters do not say."""


def columns(place: Place) -> list[str] | None:
    """Names of the columns or arrays of the first file; None where only reading it all can tell."""
    file = place.splits["train"][0]
    try:
        if place.kind == "csv":
            with file.open(newline="", encoding="utf-8-sig") as opened:
                return next(csv.reader(opened), [])
        if place.kind == "parquet":
            import pyarrow.parquet

            return list(pyarrow.parquet.read_schema(file).names)
        if place.kind == "npz":
            with zipfile.ZipFile(file) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError, csv.Error, zipfile.BadZipFile) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{str(file)!r} is no readable {place.kind} file: {reason}.") from error
    return None


def choose(available: Sequence[str], config: DatasetConfig) -> tuple[list[str], list[str]]:
    """Which columns or keys are inputs, and which are targets.

    Raises:
        ValueError: One sentence: a name is unknown or double, or nothing is left.
    """
    where = config.label
    given = "outputs" if config.outputs else "target"
    double = sorted({name for name in available if list(available).count(name) > 1})
    if double:
        raise ValueError(f"{where!r} has two columns {double[0]!r}; give each a name of its own.")
    for field, names in (("features", config.features), (given, config.targets)):
        unknown = [name for name in names if name not in available]
        if unknown:
            raise ValueError(
                f"dataset.{field} names {unknown[0]!r}, which {where!r} does not have; it has "
                f"{_listed(available)}."
            )
    targets = list(config.targets)
    if not targets and config.task != "language_model":
        targets = [name for name in TARGETS if name in available][:1]
        if not targets:
            raise ValueError(
                f"{where!r} has no {', '.join(TARGETS[:-1])} or {TARGETS[-1]}, only "
                f"{_listed(available)}; say by dataset.target which of them the model shall give."
            )
    features = list(config.features) or [name for name in available if name not in targets]
    if not features:
        raise ValueError(f"{where!r} has nothing beside the target {targets[0]!r} to go by.")
    return features, targets


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return f"{shown} … ({len(names)} in all)" if len(names) > 12 else shown or "nothing"


def check_place(config: DatasetConfig) -> None:
    """Refuses a path at which the data that the parameters tell of cannot be.

    Raises:
        ValueError: One sentence.
    """
    assert config.path is not None
    place = find(config.path)
    measured(place.splits, config)
    names = columns(place)
    if names is not None:
        choose(names, config)
    if place.kind == "images":
        for field in ("features", "target", "outputs"):
            if getattr(config, field):
                raise ValueError(
                    f"dataset.{field} is given, but {config.path!r} is a folder of images, whose "
                    "folders are the classes; leave it out."
                )


def fingerprint(path: str) -> list[list]:
    """Name and SHA-256 of every file at a path that is not hidden, of whatever size.

    Part of the cache key of `load_data`.
    """
    base = Path(path).expanduser()
    files = list(files_below(base)) if base.is_dir() else [base]
    names = [file.relative_to(base).as_posix() for file in files]
    return [list(pair) for pair in zip(names, content_hashes(files), strict=True)]
