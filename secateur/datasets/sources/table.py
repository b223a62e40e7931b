"""CSV and Parquet, by pyarrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import Place, choose
from secateur.datasets.raw import Raw


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Columns of numbers become one input, a vector; a column of text is an input alone."""
    return {name: _split(files, config, place.kind) for name, files in place.splits.items()}


def _split(files: tuple[Path, ...], config: DatasetConfig, kind: str) -> Raw:
    tables = [_table(file, kind) for file in files]
    for file, table in zip(files[1:], tables[1:], strict=True):
        if table.schema.names != tables[0].schema.names:
            raise ValueError(f"{file.name!r} and {files[0].name!r} differ in their columns.")
    table = pa.concat_tables(tables, promote_options="permissive")
    features, targets = choose(table.schema.names, config)
    if not table.num_rows:
        raise ValueError(f"{files[0].name!r} has no rows.")
    name = files[0].name
    texts = [f for f in features if _is_text(table[f].type)]
    if texts and len(features) > 1:
        raise ValueError(
            f"The column {texts[0]!r} of {name!r} holds text; allowed are columns of numbers, or "
            "one column of text alone: choose by dataset.features, or encode it before."
        )
    if texts:
        inputs = {texts[0]: _strings(table, texts[0], name)}
    else:
        columns = [_numbers(table, column, name).astype(np.float32) for column in features]
        inputs = {"": np.stack(columns, axis=1)}
    return Raw(inputs, {column: _target(table, column, name) for column in targets})


def _table(file: Path, kind: str) -> pa.Table:
    try:
        if kind == "csv":
            return pyarrow.csv.read_csv(file)
        return pyarrow.parquet.read_table(file, partitioning=None)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(f"{file.name!r} cannot be read as {kind}: {reason}.") from error


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _target(table: pa.Table, column: str, name: str) -> np.ndarray:
    kind = table[column].type
    if pa.types.is_boolean(kind):
        return _numbers(table, column, name).astype(np.int64)
    return (_strings if _is_text(kind) else _numbers)(table, column, name)


def _strings(table: pa.Table, column: str, name: str) -> np.ndarray:
    _refuse(_nulls(table, column), column, name, "is empty")
    return np.array(table[column].to_pylist(), dtype=object)


def _numbers(table: pa.Table, column: str, name: str) -> np.ndarray:
    kind = table[column].type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise ValueError(
            f"The column {column!r} of {name!r} holds {kind}; allowed are numbers and text: leave "
            "it out by dataset.features, or convert it."
        )
    _refuse(_nulls(table, column), column, name, "is empty")
    values = table[column].to_numpy()
    _refuse(~np.isfinite(values.astype(np.float64)), column, name, "is no finite number")
    return values


def _nulls(table: pa.Table, column: str) -> np.ndarray:
    return table[column].is_null().to_numpy()


def _refuse(bad: np.ndarray, column: str, name: str, what: str) -> None:
    if bad.any():
        raise ValueError(
            f"Row {int(bad.argmax()) + 1} of the column {column!r} of {name!r} {what}; fill it or "
            "leave the row out."
        )
