"""`encoder.json`: how rows of a user's table become the numbers that a model takes."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secateur.datasets.understanding import Understanding

FILE = "encoder.json"

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_YES_OR_NO = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncodedColumn(_Told):
    """A column of the table, and what becomes of it."""

    name: str
    kind: Literal["number", "whole number", "yes or no", "category"]
    shape: tuple[int, ...] = Field(default=(), description="Of one row's values: of lists.")
    values: tuple[str, ...] = Field(
        default=(),
        description="Of a category: the values that have an input each, which is 1 where the row "
        "has that value, in this order. Any other value leaves all of them 0.",
    )

    @property
    def width(self) -> int:
        """Inputs that it becomes."""
        return len(self.values) if self.kind == "category" else math.prod(self.shape)


class RowEncoder(_Told):
    """Makes of rows of a table what the model takes; `load_encoder` reads one.

    ```
    encode = secateur.load_encoder("out")
    model.predict(encode(pandas.read_csv("new.csv")))
    ```
    """

    format_version: Literal[1] = Field(default=1, description="Version of this file.")
    columns: tuple[EncodedColumn, ...] = Field(description="In the order of the model's inputs.")
    shape: tuple[int, ...] = Field(description="Of what the model takes for a row.")
    class_names: tuple[str, ...] | None = Field(
        description="What the model's outputs stand for, in their order; null where they have no "
        "names."
    )

    def __call__(self, rows: Any) -> np.ndarray:
        """Encodes rows as those that the model was trained on.

        Args:
            rows: A dict of columns by name, a pandas data frame or a pyarrow table; or a list of
                dicts, one a row. Other columns are left aside. Numbers and yes and no may be texts
                (`"1.5"`, `"true"`).

        Returns:
            float32 `(rows, *shape)`.

        Raises:
            ValueError: One sentence: a column is not there, or a row has no such value.
        """
        given = [self._given(rows, column) for column in self.columns]
        counts = {len(each) for each in given}
        if len(counts) > 1:
            raise ValueError(f"The columns have different numbers of rows: {sorted(counts)}.")
        parts = [_encoded(c, each) for c, each in zip(self.columns, given, strict=True)]
        return np.concatenate(parts, axis=1).reshape(counts.pop(), *self.shape)

    @staticmethod
    def _given(rows: Any, column: EncodedColumn) -> list[Any]:
        try:
            if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
                return [row[column.name] for row in rows]
            values = rows[column.name]
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(
                f"The rows lack the column {column.name!r}, which the model takes; it takes a dict "
                "of columns, a data frame, or a list of dicts."
            ) from error
        to_list = getattr(values, "to_pylist", None) or getattr(values, "tolist", None)
        return to_list() if to_list else list(values)


def write_encoder(
    folder: Path,
    understood: Understanding,
    shape: Sequence[int],
    class_names: Sequence[str] | None,
) -> None:
    """Writes `encoder.json` of a table.

    Args:
        folder: Where.
        understood: What the reader made of the table, with the categories that became inputs.
        shape: Of one example's input.
        class_names: Names of the classes, where there are some.
    """
    columns = tuple(
        EncodedColumn(name=c.name, kind=c.kind, shape=c.shape, values=c.values)
        for c in understood.columns
        if c.role == "feature"
    )
    encoder = RowEncoder(
        columns=columns,
        shape=tuple(shape),
        class_names=tuple(map(str, class_names)) if class_names else None,
    )
    (folder / FILE).write_text(encoder.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_encoder(path: str | Path) -> RowEncoder:
    """Reads the `encoder.json` of a run on a table.

    Args:
        path: The file, or the folder that it is in: the run's output folder.

    Raises:
        ValueError: One sentence: it is not there, or is no such file.
    """
    file = Path(path).expanduser()
    file = file / FILE if file.is_dir() else file
    try:
        return RowEncoder.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ValueError(
            f"{str(file)!r} cannot be read ({error.strerror}); give the output folder of a run on "
            "a table, or the encoder.json in it."
        ) from error
    except ValidationError as error:
        raise ValueError(
            f"{str(file)!r} is no encoder.json: {error.errors()[0]['msg']}; give the one that a "
            "run on a table wrote."
        ) from error


def _encoded(column: EncodedColumn, values: list[Any]) -> np.ndarray:
    """float32 `(rows, width)`."""
    if column.kind == "category":
        places = {value: place for place, value in enumerate(column.values)}
        found = np.zeros((len(values), column.width), np.float32)
        for row, value in enumerate(values):
            _refuse_missing(column, row, value)
            if (place := places.get(str(value))) is not None:
                found[row, place] = 1
        return found
    flat = [_numbers(column, row, value) for row, value in enumerate(values)]
    return np.array(flat, np.float32).reshape(len(values), column.width)


def _numbers(column: EncodedColumn, row: int, value: Any) -> list[np.float32]:
    array = np.array(value, dtype=object)
    if array.shape != column.shape:
        raise ValueError(
            f"The column {column.name!r} has values of the shape {array.shape} in row {row + 1}; "
            f"the model takes {column.shape}."
        )
    return [_number(column, row, each) for each in array.ravel().tolist()]


def _number(column: EncodedColumn, row: int, value: Any) -> np.float32:
    _refuse_missing(column, row, value)
    text = str(value).strip()
    yes_or_no = column.kind == "yes or no" or isinstance(value, bool | np.bool_)
    with contextlib.suppress(KeyError, ValueError, TypeError, OverflowError):
        if column.kind == "whole number" and _WHOLE.fullmatch(text):
            return np.int64(text).astype(np.float32)  # rounded once, as the reader does
        number = np.float32(_YES_OR_NO[text.lower()] if yes_or_no else float(value))
        if np.isfinite(number):
            return number
    raise ValueError(
        f"The column {column.name!r} holds {text[:40]!r} in row {row + 1}; the model takes a "
        f"{'yes or no' if column.kind == 'yes or no' else 'finite number'} there."
    )


def _refuse_missing(column: EncodedColumn, row: int, value: Any) -> None:
    if value is None or value != value or not str(value).strip():
        raise ValueError(
            f"The column {column.name!r} lacks a value in row {row + 1}; the model was trained on "
            "rows that have all: fill it in, or leave the row out."
        )
