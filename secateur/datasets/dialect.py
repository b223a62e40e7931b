"""How a CSV file is written: its delimiter and its encoding. Imports no pyarrow."""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from secateur.datasets.packed import is_packed, open_bytes, open_text

if TYPE_CHECKING:
    from secateur.datasets.config import DatasetConfig

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""What is looked for where the parameters do not say, and what it is called."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""By the bytes that a file begins with; those of UTF-32 begin as those of UTF-16 do."""

_OTHERS = {
    b"\x1f\x8b": "compressed by gzip; let its name end in .csv.gz",
    b"BZh": "compressed by bzip2; let its name end in .csv.bz2",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; let its name end in .csv.zst",
    b"PK\x03\x04": "a ZIP archive, as Excel's workbooks are; unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel; save it as CSV",
    b"PAR1": "Parquet; let its name end in .parquet",
}
"""What is called CSV now and then, by the bytes that it begins with."""

_LINES = 400  # that are looked at to find the delimiter

# The csv module refuses cells of more than 128 KB unless it is told so.
csv.field_size_limit(max(csv.field_size_limit(), 2**31 - 1))


class Dialect(NamedTuple):
    """How a file is written.

    Attributes:
        delimiter: One character.
        encoding: A name of Python's codecs.
    """

    delimiter: str
    encoding: str


def find_dialect(file: Path, config: DatasetConfig, wanted: Collection[str]) -> Dialect:
    """The dialect that the parameters give, or else the one in which all rows are alike.

    Args:
        file: A CSV file.
        config: `delimiter` and `encoding`, where they are given.
        wanted: Columns of which one at least should be there.

    Raises:
        ValueError: One sentence: it can be read in two ways, or holds what is no text.
    """
    encoding = config.encoding or _encoding(file)
    if config.delimiter is not None:
        return Dialect(config.delimiter, encoding)
    with open_text(file, encoding, "replace") as opened:
        lines = list(itertools.islice(opened, _LINES))
        cut = len(lines) == _LINES
    heads: dict[str, list[str]] = {}
    even: list[str] = []
    for delimiter in DELIMITERS:
        head, *rows = [row for row in csv.reader(lines, delimiter=delimiter) if row] or [[]]
        rows = rows[:-1] if cut else rows  # the last one may go on
        if len(head) > 1:
            heads[delimiter] = head
            if all(len(row) == len(head) for row in rows):
                even.append(delimiter)
    likely = even or list(heads)
    named = [d for d in likely if set(wanted) & set(heads[d])]
    likely = named or likely
    if len(likely) > 1 and even:
        ways = " or ".join(f"a {DELIMITERS[d]}" for d in likely)
        raise ValueError(
            f"{file.name!r} can be read with {ways} between its values; say which by "
            "dataset.delimiter."
        )
    return Dialect(likely[0] if likely else ",", encoding)


def _encoding(file: Path) -> str:
    with open_bytes(file) as opened:
        start = opened.read(4096)
    for mark, what in _OTHERS.items():
        if start.startswith(mark):
            raise ValueError(f"{file.name!r} is no text but {what}.")
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if b"\0" in start:
        raise ValueError(
            f"{file.name!r} has bytes of zero, which no text in UTF-8 has; convert it to UTF-8, "
            "or give dataset.encoding (UTF-16 without a mark is utf-16-le or utf-16-be)."
        )
    return "utf-8"


def read_rows(file: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Number of the line on which it ends, and values, of the header and of each row.

    Empty lines are left out. Bytes that the encoding does not have become U+DC80 to U+DCFF in
    UTF-8, and U+FFFD in others.
    """
    errors = "surrogateescape" if dialect.encoding.startswith("utf-8") else "replace"
    with open_text(file, dialect.encoding, errors) as opened:
        reader = csv.reader(opened, delimiter=dialect.delimiter)
        for row in reader:
            if row:
                yield reader.line_num, row


def header(file: Path, dialect: Dialect) -> list[str]:
    """Names of the columns; none of an empty file.

    Raises:
        ValueError: One sentence: it is the line by which Excel tells itself the delimiter.
    """
    first = next((row for _, row in read_rows(file, dialect)), [])
    if first and re.fullmatch(r"sep=.?", first[0]) and not any(first[1:]):
        raise ValueError(
            f"{file.name!r} begins with a line {first[0]!r}, by which Excel tells itself what "
            "stands between values; take that line out."
        )
    return first


def explain(file: Path, dialect: Dialect, reason: str) -> NoReturn:
    """Looks for the row at which a file cannot be read.

    Args:
        file: It.
        dialect: How it was read.
        reason: What the reader said; used where no row is to blame.

    Raises:
        ValueError: One sentence.
    """
    names: list[str] = []
    number = 0
    for number, (line, row) in enumerate(read_rows(file, dialect)):
        names = names or row
        where = f"Row {number} of {file.name!r} (line {line})" if number else f"{file.name!r}"
        if len(row) != len(names):
            raise ValueError(
                f"{where} has {len(row)} values where the header has {len(names)}; mend it, or "
                f"give dataset.delimiter, if it is not {dialect.delimiter!r} that parts them."
            )
        for name, value in zip(names, row, strict=True):
            bad = next((c for c in value if "\udc80" <= c <= "\udcff" or c == "\ufffd"), None)
            if bad is not None:
                what = f"the byte 0x{ord(bad) - 0xDC00:02X}" if bad != "\ufffd" else "bytes"
                column = f", column {name!r}," if number else " in its header"
                raise ValueError(
                    f"{where}{column} has {what}, which {dialect.encoding} does not; convert the "
                    "file to UTF-8, or give dataset.encoding, such as latin-1."
                )
    if not number:
        raise ValueError(f"{file.name!r} has no rows.")
    raise ValueError(f"{file.name!r} cannot be read as csv: {reason}.")


def check_end(file: Path, last: str) -> None:
    """Refuses a file whose last value has a quote that is opened and not closed.

    Such a value takes in all that follows, rows and all.

    Args:
        file: It.
        last: Value of the last column of the last row.

    Raises:
        ValueError: One sentence.
    """
    if "\n" not in last and "\r" not in last:
        return
    with open_bytes(file) as opened:
        if is_packed(file):  # there is no way but through all of it
            end = b""
            while block := opened.read(1 << 20):
                end = (end + block)[-64:]
        else:
            opened.seek(max(0, file.stat().st_size - 64))
            end = opened.read()
        end = end.replace(b"\0", b"").rstrip(b"\r\n \t")
    if not end.endswith(b'"'):
        begin = last.splitlines()[0][:40] if last.splitlines() else ""
        raise ValueError(
            f"{file.name!r} has a quote that is opened and never closed, in the last column before "
            f"{begin!r}: what follows would be one value; close it, or double a quote that belongs "
            "to the value."
        )
