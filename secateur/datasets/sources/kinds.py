"""What a column of a table is: numbers, yes or no, or text; all of its values have a say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from secateur.datasets.missing import WORDS
from secateur.datasets.understanding import Kind

_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$|^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^[+-]?[0-9]+$"
_NEAR = r"^[-+$€£\s\x{a0}]*[0-9][0-9.,'\s\x{a0}\x{2009}\x{202f}\x{2019}]*[%$€£]?$"
"""What is nearly a number: with marks or blanks of several kinds between thousands, or a unit."""
_YES_OR_NO = ("true", "false", "True", "False", "TRUE", "FALSE")


class Parsed(NamedTuple):
    """A column, understood.

    Attributes:
        kind: What its values are; `text` of whatever is no number and no yes or no.
        values: int64 or float64 `(rows,)`, of nested lists `(rows, …)`; of text, places among
            `names`. What is missing has any value.
        missing: Which rows lack a value.
        names: Of text: the different values, sorted.
    """

    kind: Kind
    values: np.ndarray
    missing: np.ndarray
    names: tuple[str, ...] = ()

    def texts(self) -> np.ndarray:
        """Of text: the values themselves, dtype object."""
        return np.array(self.names, dtype=object)[self.values]


class UnreadableError(ValueError):
    """What a column holds cannot be read.

    Args:
        what: The end of a sentence that begins with the column's name.
        row: The row that is to blame, from 0.
    """

    def __init__(self, what: str, row: int | None = None):
        super().__init__(what)
        self.what, self.row = what, row


def _flags(mask: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(mask, False).to_numpy()


def missing_texts(column: pa.ChunkedArray) -> np.ndarray:
    """Which rows hold nothing, or a word for nothing."""
    words = pa.array(sorted(WORDS), pa.large_string())
    return column.is_null().to_numpy() | _flags(pc.is_in(_trimmed(column), value_set=words))


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(column)


def numbers(column: pa.ChunkedArray, decimal: str) -> np.ndarray:
    """Which texts are numbers, with this before their decimals."""
    pattern = _NUMBER.replace(r"\.", decimal) if decimal != "." else _NUMBER
    return _flags(pc.match_substring_regex(_trimmed(column), pattern))


def parse(column: pa.ChunkedArray, decimal: str) -> Parsed:
    """A column of a CSV file; numbers only where all of its values are such.

    Raises:
        UnreadableError: It holds numbers for the most part, and something else.
    """
    bare = _trimmed(column)
    missing = missing_texts(column)
    found = numbers(column, decimal)
    if (found | missing).all() and not missing.all():
        bare = pc.if_else(pa.chunked_array([pa.array(missing)]), "0", bare)
        bare = pc.replace_substring_regex(bare, r"^\+", "")
        if _flags(pc.match_substring_regex(bare, _WHOLE)).all():
            try:
                return Parsed("whole number", bare.cast(pa.int64()).to_numpy(), missing)
            except pa.ArrowInvalid:  # more than 64 bits
                pass
        if decimal != ".":
            bare = pc.replace_substring(bare, decimal, ".")
        return Parsed("number", bare.cast(pa.float64()).to_numpy(), missing)
    words = _flags(pc.is_in(bare, value_set=pa.array(_YES_OR_NO, pa.large_string())))
    if (words | missing).all() and not missing.all():
        yes = _flags(pc.equal(pc.utf8_lower(bare), "true"))
        return Parsed("yes or no", yes.astype(np.int64), missing)
    other = ~(found | missing)
    if found.sum() >= other.sum() > 0:
        row = int(other.argmax())
        raise UnreadableError(
            f"holds numbers, but in {int(other.sum()):,} rows something else: "
            f"{column[row].as_py()[:40]!r}",
            row,
        )
    near = _flags(pc.match_substring_regex(bare, _NEAR))
    if (near & ~found).sum() > (~missing).sum() / 2:
        row = int((near & ~found).argmax())
        raise UnreadableError(
            f"holds {column[row].as_py()!r} and the like, which are no numbers with "
            f"{'a point' if decimal == '.' else 'a comma'} before their decimals and nothing "
            "between thousands",
            row,
        )
    return _text(column, missing)


def _text(column: pa.ChunkedArray, missing: np.ndarray) -> Parsed:
    encoded = pc.fill_null(column, "").dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return Parsed("text", np.zeros(0, np.int64), missing)
    try:
        names = np.array(encoded.chunk(0).dictionary.to_pylist(), dtype=object)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"holds text that is no UTF-8 ({error.reason})") from error
    places = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    order = sorted(range(len(names)), key=lambda place: names[place])
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    return Parsed("text", rank[places], missing, tuple(names[order]))


def typed(column: pa.ChunkedArray) -> Parsed:
    """A column of a Parquet file, by its type.

    Raises:
        UnreadableError: Of a type that is neither number nor text, or lists that differ in length.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if is_text(kind):
        column = column.cast(pa.large_string())
        return _text(column, missing_texts(column))
    missing = column.is_null().to_numpy()
    if pa.types.is_null(kind):
        return Parsed("number", np.zeros(len(column)), missing)
    if pa.types.is_boolean(kind):
        values = pc.fill_null(column, False).to_numpy().astype(np.int64)
        return Parsed("yes or no", values, missing)
    if pa.types.is_integer(kind):
        values = pc.fill_null(column, 0).to_numpy()
        fits = not (kind == pa.uint64() and len(values) and values.max() > np.iinfo(np.int64).max)
        return Parsed("whole number", values.astype(np.int64 if fits else np.float64), missing)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = pc.fill_null(column.cast(pa.float64(), safe=False), 0.0).to_numpy()
        return Parsed("number", values, missing | np.isnan(values))
    if _is_list(kind):
        return _nested(column, missing)
    raise UnreadableError(
        f"holds {kind}; allowed are numbers, yes or no, text, and lists of numbers"
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of text."""
    string_view = getattr(pa.types, "is_string_view", lambda _: False)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or string_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _nested(column: pa.ChunkedArray, missing: np.ndarray) -> Parsed:
    if missing.any() or not len(column):
        return Parsed("number", np.zeros(len(column)), missing)
    lengths = pc.list_value_length(column).to_numpy()
    if (lengths != lengths[0]).any():
        row = int((lengths != lengths[0]).argmax())
        raise UnreadableError(
            f"holds lists of {lengths[0]} and of {lengths[row]} values; each row has to have as "
            "many",
            row,
        )
    if not lengths[0]:
        raise UnreadableError("holds empty lists", 0)
    flat = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    inner = typed(flat)
    if inner.kind == "text":
        raise UnreadableError(f"holds {column.type}; allowed are lists of numbers")
    values = inner.values.reshape(len(column), lengths[0], *inner.values.shape[1:])
    lacking = np.asarray(inner.missing.reshape(len(column), lengths[0]).any(axis=1))
    return Parsed(inner.kind, values, lacking)
