"""Whether the numbers of a CSV file have a point or a comma before their decimals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from secateur.datasets.sources.kinds import missing_texts, numbers

_POINTS = r"^\s*[+-]?[1-9][0-9]{0,2}\.[0-9]{3}\s*$"
_THOUSANDS = r"^\s*[+-]?[0-9]{1,3}(?:[.,][0-9]{3})+\s*$"


def find_decimal(columns: Mapping[str, pa.ChunkedArray], where: Callable[[int], str]) -> str:
    """`,` where a column holds numbers by a decimal comma alone, else `.`.

    Args:
        columns: The columns that are read, as text.
        where: A row's number -> `row 3 of 'a.csv'`.

    Raises:
        ValueError: One sentence: the file has both, or its commas may stand between thousands.
    """
    commas: dict[str, pa.ChunkedArray] = {}
    points: dict[str, pa.ChunkedArray] = {}
    for name, column in columns.items():
        missing = missing_texts(column)
        if missing.all():
            continue
        if (numbers(column, ".") | missing).all():
            if _any(column, r"\."):
                points[name] = column
        elif (numbers(column, ",") | missing).all():
            commas[name] = column
    if not commas:
        return "."
    name, column = next(iter(commas.items()))
    row = int(_flags(column, ",").argmax())
    shown = f"The column {name!r} holds {column[row].as_py()!r} ({where(row)})"
    if points:
        other, beside = next(iter(points.items()))
        theirs = beside[int(_flags(beside, r"\.").argmax())].as_py()
        raise ValueError(
            f"{shown} where {other!r} holds {theirs!r}; write all numbers with a point, or give "
            "dataset.decimal, what stands before decimals."
        )
    if all((_flags(c, _THOUSANDS) == _flags(c, ",")).all() for c in commas.values()):
        raise ValueError(
            f"{shown}, and the comma may stand before decimals or between thousands; give "
            "dataset.decimal ',' if it is the former, or write the numbers without it."
        )
    return ","


def three_digits(
    columns: Mapping[str, pa.ChunkedArray], where: Callable[[int], str]
) -> Iterator[str]:
    """Notices on columns of which each number has three digits after a point, and none before 1."""
    for name, column in columns.items():
        if not (_flags(column, _POINTS) | missing_texts(column)).all():
            continue
        found = _flags(column, _POINTS)
        if found.any():
            row = int(found.argmax())
            yield (
                f"The column {name!r} holds {column[row].as_py()!r} ({where(row)}) and the like, "
                "which are read with three decimals; if the point stands between thousands, write "
                "the numbers without it."
            )


def _flags(column: pa.ChunkedArray, pattern: str) -> np.ndarray:
    return pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy()


def _any(column: pa.ChunkedArray, pattern: str) -> bool:
    return bool(_flags(column, pattern).any())
