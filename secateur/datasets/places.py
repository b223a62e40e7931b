"""What lies at `dataset.path`, answered without importing TensorFlow."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from secateur.datasets.config import DatasetConfig
from secateur.datasets.shards import listed, missing

KINDS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}
"""Kind of data by the ending of a file's name."""

TARGETS = ("label", "target", "y")
"""What a target is called where the parameters do not say."""

_SPLIT = re.compile(r"(train|validation|val|test)(?:[-.].*)?")
_HASHED = 1 << 30  # bytes up to which content identifies data; above it, sizes and dates


class Place(NamedTuple):
    """What a path holds.

    Attributes:
        kind: `csv`, `parquet`, `npz`, `tfrecord` or `images`.
        splits: The files of each split (of images: one folder). `train` alone where the data are
            not split yet.
    """

    kind: str
    splits: dict[str, tuple[Path, ...]]


def find(path: str) -> Place:
    """Looks a path up.

    Raises:
        ValueError: One sentence: nothing is there, or nothing that can be read.
    """
    place = Path(path).expanduser()
    if place.is_file():
        kind = KINDS.get(place.suffix.lower())
        if kind is None:
            raise ValueError(
                f"dataset.path is {path!r}; allowed are files that end in {', '.join(KINDS)}, and "
                "folders: convert yours, or give a dataset.factory."
            )
        return Place(kind, {"train": (place,)})
    if not place.is_dir():
        raise ValueError(
            f"dataset.path is {path!r}, where nothing is; give a file or a folder of data."
        )
    inside = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    parts: dict[str, list[Path]] = {}
    for entry in inside:
        match = _SPLIT.fullmatch(entry.name)
        if match and (entry.is_dir() or entry.suffix.lower() in KINDS):
            name = "validation" if match[1] == "val" else match[1]
            parts.setdefault(name, []).append(entry)
    if not parts and any(entry.is_dir() for entry in inside):
        return Place("images", {"train": (place,)})
    kinds = {
        "images" if entry.is_dir() else KINDS[entry.suffix.lower()]
        for entries in parts.values()
        for entry in entries
    }
    if "train" not in parts or len(kinds) > 1:
        found = f"{' and '.join(sorted(kinds))} side by side" if len(kinds) > 1 else "none of them"
        raise ValueError(
            f"dataset.path is the folder {path!r}; allowed is one that has a folder of images for "
            "each class, or files or folders of one kind called train, test and validation: it "
            f"has {found}."
        )
    if absent := missing(entry for entries in parts.values() for entry in entries):
        raise ValueError(
            f"dataset.path is the folder {path!r}, which lacks {listed(absent)}; copy it there, or "
            "write the data again."
        )
    return Place(kinds.pop(), {name: tuple(parts[name]) for name in parts})


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
    """Name and content of every file at a path: of up to 1 GiB by SHA-256, else by size and date.

    Part of the cache key of `load_data`.
    """
    base = Path(path).expanduser()
    files = sorted(f for f in base.rglob("*") if f.is_file()) if base.is_dir() else [base]
    stats = [file.stat() for file in files]
    if sum(status.st_size for status in stats) > _HASHED:
        marks: list[list] = [[status.st_size, status.st_mtime_ns] for status in stats]
    else:
        marks = [[_sha256(file)] for file in files]
    names = [file.relative_to(base).as_posix() for file in files]
    return [[name, *mark] for name, mark in zip(names, marks, strict=True)]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
