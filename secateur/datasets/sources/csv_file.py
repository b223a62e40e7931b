"""CSV files as columns of text, exactly as they stand there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from secateur.datasets.dialect import Dialect, check_end, explain, header
from secateur.datasets.packed import is_packed, open_bytes

_BLOCKS = (1 << 20, 1 << 24, 1 << 27, (1 << 31) - 1)
"""Bytes that are parsed at a time: a row, and the header, have to fit."""


def read_csv(file: Path, dialect: Dialect, wanted: Sequence[str]) -> pa.Table:
    """The wanted columns, all of `large_string`; nothing is converted, and nothing is missing yet.

    Raises:
        ValueError: One sentence that names the file and, where one is to blame, the row.
    """
    names = header(file, dialect)
    parse = pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
    # The last column is read as well: an open quote shows there.
    kept = list(dict.fromkeys([*wanted, names[-1]]))
    convert = pyarrow.csv.ConvertOptions(
        column_types={name: pa.large_string() for name in kept},
        include_columns=kept,
        strings_can_be_null=False,
    )
    encoding = "utf8" if dialect.encoding in ("utf-8", "utf-8-sig") else dialect.encoding
    for block in _BLOCKS:
        read = pyarrow.csv.ReadOptions(block_size=block, encoding=encoding)
        try:
            with open_bytes(file) as opened:
                table = pyarrow.csv.read_csv(
                    opened if is_packed(file) else file,
                    parse_options=parse,
                    convert_options=convert,
                    read_options=read,
                )
            break
        except UnicodeDecodeError as error:
            explain(file, dialect, str(error))
        except (pa.ArrowException, OSError) as error:
            # Whatever is wrong may be that a row is larger than the block.
            largest = _BLOCKS[-1] if is_packed(file) else 4 * file.stat().st_size
            if block < min(_BLOCKS[-1], largest):
                continue
            explain(file, dialect, (str(error).strip().splitlines() or ["damaged"])[0].rstrip("."))
    if table.num_rows:
        check_end(file, table[names[-1]][-1].as_py())
    return table.select(list(wanted))
