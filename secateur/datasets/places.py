"""What lies at `dataset.path`, answered without importing TensorFlow."""

from __future__ import annotations

import csv
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dialect import find_dialect, header
from secateur.datasets.folders import files_below
from secateur.datasets.layout import KINDS, Place, find
from secateur.datasets.split_names import in_one, measured
from secateur.store.content import content_hashes

__all__ = ["KINDS", "Place", "check_place", "choose", "columns", "find", "fingerprint"]

TARGETS = ("label", "target", "y")
"""What a target is called where the parameters do not say."""


_UNNAMED = re.compile(r"\s*|Unnamed: \d+(_level_\d+)?")
"""The name of a column without one, and what pandas makes of it."""


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
                names = [name.removesuffix(".npy") for name in archive.namelist()]
            alone = len(place.splits) == 1
            return Columns(list(in_one(names).get("train", names)) if alone else names, {})
    except (OSError, csv.Error, UnicodeError, zipfile.BadZipFile) as error:
        _refuse(file, place.kind, error)
    except ValueError as error:  # pyarrow's errors are such, and so are the sentences of this file
        if type(error) is ValueError:
            raise
        _refuse(file, place.kind, error)
    return None


def _refuse(file: Path, kind: str, error: Exception) -> NoReturn:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    raise ValueError(f"{str(file)!r} is no readable {kind} file: {reason}.") from error


def csv_columns(names: list[str]) -> Columns:
    """Of a header: first columns without a name are the index that pandas or R wrote."""
    index = list(itertools.takewhile(_UNNAMED.fullmatch, names))
    if len(index) == len(names):
        return Columns(names, {})
    return Columns(names, dict.fromkeys(index, "a first column without a name, as an index has"))


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
    if not available:
        raise ValueError(f"{where!r} is empty: there are no columns, arrays or keys in it.")
    asked_for = {*config.features, *config.targets}
    double = sorted(
        name
        for name, count in Counter(available).items()
        if count > 1 and (name not in hidden or name in asked_for)
    )
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
    """What to do where the first row is one of numbers, or no delimiter was found."""
    if len(names) == 1 and re.search(r"[^\w\s-]|\w\s+\w", names[0]):
        return ", or by dataset.delimiter what stands between the columns of a CSV file"
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
    measured(place.splits, config)
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
    """Name and SHA-256 of every file at a path that is not hidden, of whatever size.

    Part of the cache key of `load_data`.
    """
    base = Path(path).expanduser()
    files = list(files_below(base)) if base.is_dir() else [base]
    names = [file.relative_to(base).as_posix() for file in files]
    return [list(pair) for pair in zip(names, content_hashes(files), strict=True)]
