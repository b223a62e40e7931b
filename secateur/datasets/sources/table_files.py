"""The columns of one or several files of a table, one after another."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dialect import Dialect, find_dialect, header
from secateur.datasets.origin import Origin
from secateur.datasets.places import (
    TARGETS,
    Columns,
    Place,
    choose,
    csv_columns,
    parquet_columns,
)
from secateur.datasets.sources.csv_file import read_csv


class Files(NamedTuple):
    """What the files hold.

    Attributes:
        table: The columns that are inputs or targets; of a CSV file all of text.
        origin: Where its rows come from.
        features: Names of the inputs.
        targets: Names of the targets.
        left_out: Other columns, and why.
        dialect: Of CSV files: that of the first.
    """

    table: pa.Table
    origin: Origin
    features: list[str]
    targets: list[str]
    left_out: dict[str, str]
    dialect: Dialect | None


def read_files(place: Place, config: DatasetConfig) -> Files:
    """Reads the columns that the parameters name, or all but an index.

    Raises:
        ValueError: One sentence: a file cannot be read, or differs from the first.
    """
    files = [(split, file) for split, each in place.splits.items() for file in each]
    files.sort(key=lambda pair: pair[0] != "train")  # a stable order: the others stay as they are
    found: Columns | None = None
    tables, parts = [], []
    dialect = None
    for split, file in files:
        own, way = _columns(file, place.kind, config)
        dialect = dialect or way
        if found is None:
            found = own
            features, targets = choose(own.names, config, own.hidden)
            wanted = list(dict.fromkeys([*features, *targets]))
        else:
            _compare(own, file, found, files[0][1], wanted, config)
        table = _read(file, place.kind, wanted, way)
        tables.append(table)
        parts.append((file.name, split, table.num_rows))
        if not table.num_rows:
            raise ValueError(f"{file.name!r} has no rows.")
    assert found is not None
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowException, TypeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ValueError(
            f"The files beside {files[0][1].name!r} differ in what their columns hold: {reason}."
        ) from error
    used = set(wanted)
    left_out = {
        name: found.hidden.get(name, "not among dataset.features")
        for name in found.names
        if name not in used
    }
    return Files(table, Origin.of(parts), features, targets, left_out, dialect)


def _columns(file: Path, kind: str, config: DatasetConfig) -> tuple[Columns, Dialect | None]:
    if kind == "csv":
        way = find_dialect(file, config, {*config.features, *(config.targets or TARGETS)})
        return csv_columns(header(file, way)), way
    try:
        return parquet_columns(pyarrow.parquet.read_schema(file)), None
    except (pa.ArrowException, OSError) as error:
        _refuse(file, error)
        raise


def _compare(
    own: Columns, file: Path, first: Columns, model: Path, wanted: list[str], config: DatasetConfig
) -> None:
    there = Counter(own.names)
    lacking = [name for name in wanted if name not in there]
    if lacking:
        raise ValueError(
            f"{file.name!r} and {model.name!r} differ in their columns: {lacking[0]!r} is in the "
            "latter alone; give both the same columns."
        )
    if (more := sorted(set(own.names) - set(first.names))) and not config.features:
        raise ValueError(
            f"{file.name!r} and {model.name!r} differ in their columns: {more[0]!r} is in the "
            "former alone; take it out, or choose the inputs by dataset.features."
        )
    if double := [name for name in wanted if there[name] > 1]:
        raise ValueError(f"{file.name!r} has two columns {double[0]!r}; give each its own name.")


def _read(file: Path, kind: str, wanted: list[str], way: Dialect | None) -> pa.Table:
    if way is not None:
        return read_csv(file, way, wanted)
    try:
        table = pyarrow.parquet.ParquetFile(file).read(columns=wanted).select(wanted)
    except (pa.ArrowException, OSError, KeyError) as error:
        _refuse(file, error)
    return pa.table({name: _plain(table[name]) for name in wanted})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without a dictionary, so that files with and without one go together."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return column


def _refuse(file: Path, error: Exception) -> None:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    raise ValueError(f"{file.name!r} cannot be read as parquet: {reason}.") from error
