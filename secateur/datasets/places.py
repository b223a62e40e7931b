"""What lies at `dataset.path`, answered without importing TensorFlow."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dialect import find_dialect, header
from secateur.datasets.shards import listed, missing

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
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


class Columns(NamedTuple):
    """Names of columns or arrays.

    Attributes:
        names: All of them, in the file's order.
        hidden: Those that are inputs only where the parameters name them, and why.
    """

    names: list[str]
    hidden: dict[str, str]


def columns(place: Place, config: DatasetConfig) -> Columns | None:
    """Those of the first file; None where only reading it all can tell."""
    file = place.splits["train"][0]
    try:
        if place.kind == "csv":
            wanted = {*config.features, *(config.targets or TARGETS)}
            return csv_columns(header(file, find_dialect(file, config, wanted)))
        if place.kind == "parquet":
            import pyarrow.parquet

            return parquet_columns(pyarrow.parquet.read_schema(file))
        if place.kind == "npz":
            with zipfile.ZipFile(file) as archive:
                return Columns([name.removesuffix(".npy") for name in archive.namelist()], {})
    except (OSError, csv.Error, UnicodeError, zipfile.BadZipFile) as error:
        _refuse(file, place.kind, error)
    except ValueError as error:  # pyarrow's errors are such, and so are the sentences of this file
        if type(error) is ValueError:
            raise
        _refuse(file, place.kind, error)
    return None


def _refuse(file: Path, kind: str, error: Exception) -> NoReturn:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise ValueError(f"{str(file)!r} is no readable {kind} file: {reason}.") from error


def csv_columns(names: list[str]) -> Columns:
    """Of a header: a first column without a name is the index that pandas or R wrote."""
    first = names[0].strip() if names else None
    unnamed = first == "" or first == "Unnamed: 0"
    hidden = {names[0]: "a first column without a name, as an index has"} if unnamed else {}
    return Columns(names, hidden if len(names) > 1 else {})


def parquet_columns(schema: Any) -> Columns:
    """Of a pyarrow schema: pandas writes into its metadata which columns are its index."""
    stored = (schema.pandas_metadata or {}).get("index_columns", [])
    index = {name for name in stored if isinstance(name, str)}
    hidden = {
        name: "the index that pandas stored"
        for name in schema.names
        if name in index or re.fullmatch(r"__index_level_\d+__", name)
    }
    return Columns(list(schema.names), hidden)


def choose(
    available: Sequence[str], config: DatasetConfig, hidden: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """Which columns or keys are inputs, and which are targets.

    Args:
        available: Names of the columns or keys.
        config: Which of them are asked for.
        hidden: Those that are taken only where `config` names them.

    Raises:
        ValueError: One sentence: a name is unknown or double, or nothing is left.
    """
    where = config.label
    given = "outputs" if config.outputs else "target"
    double = sorted(name for name, count in Counter(available).items() if count > 1)
    if double:
        raise ValueError(f"{where!r} has two columns {double[0]!r}; give each a name of its own.")
    there = set(available)
    for field, names in (("features", config.features), (given, config.targets)):
        unknown = [name for name in names if name not in there]
        if unknown:
            raise ValueError(
                f"dataset.{field} names {unknown[0]!r}, which {where!r} does not have; it has "
                f"{_listed(available)}."
            )
    open_ = [name for name in available if name not in hidden]
    targets = list(config.targets)
    if not targets and config.task != "language_model":
        targets = [name for name in TARGETS if name in open_][:1]
        if not targets:
            raise ValueError(
                f"{where!r} has no {', '.join(TARGETS[:-1])} or {TARGETS[-1]}, only "
                f"{_listed(available)}; say by dataset.target which of them the model shall give"
                f"{_no_header(available)}."
            )
    features = list(config.features) or [name for name in open_ if name not in targets]
    if not features:
        raise ValueError(
            f"{where!r} has nothing beside "
            f"{f'the target {targets[0]!r}' if targets else f'{_listed(available)}'} to go by."
        )
    return features, targets


def _no_header(names: Sequence[str]) -> str:
    """What to do where the first row is one of numbers."""
    try:
        [float(name) for name in names]
    except ValueError:
        return ""
    return ", or write the names of the columns into the first row" if names else ""


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
    found = columns(place, config)
    if found is not None:
        choose(found.names, config, found.hidden)
    for field in ("delimiter", "decimal", "encoding"):
        if getattr(config, field) is not None and place.kind != "csv":
            raise ValueError(
                f"dataset.{field} is given, but {config.path!r} is no CSV file; leave it out."
            )
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
