"""CSV and Parquet: columns of numbers and of categories are one vector, a text stands alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dialect import DELIMITERS
from secateur.datasets.missing import refuse_missing
from secateur.datasets.origin import Origin
from secateur.datasets.places import Place
from secateur.datasets.raw import Raw
from secateur.datasets.sources.decimals import find_decimal, three_digits
from secateur.datasets.sources.kinds import Parsed, UnreadableError, parse, typed
from secateur.datasets.sources.table_files import Files, read_files
from secateur.datasets.sources.table_targets import target
from secateur.datasets.understanding import Column, Understanding

_CATEGORIES = 1000
"""Different texts of a column of categories at most."""

_EXACT = 1 << 24
"""Up to it, float32 has each whole number."""


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Columns of numbers and of categories become one input, a vector; a lone text is a text.

    A category is the place of its text among all of them; `write` makes an input of each that the
    training split has.

    Raises:
        ValueError: One sentence, with the file, the row and the column.
    """
    files = read_files(place, config)
    decimal, notices = _decimal(files, config)
    parsed = {name: _parsed(files, name, decimal) for name in files.table.schema.names}
    inputs, categories, said = _inputs(files, parsed)
    notices += said
    targets, columns = {}, [_feature(name, parsed[name], categories) for name in files.features]
    for name in files.targets:
        targets[name], column = target(name, parsed[name], files.origin)
        columns.append(column)
    columns += [Column(name=n, role="left out", why=why) for n, why in files.left_out.items()]
    notices += [
        f"The column {name!r} of {files.origin.name} is no feature: it is {why}; "
        "dataset.features takes it in."
        for name, why in files.left_out.items()
        if not why.startswith("not among")
    ]
    understood = Understanding(
        format=place.kind,
        files=files.origin.parts,
        delimiter=files.dialect and files.dialect.delimiter,
        encoding=files.dialect and files.dialect.encoding,
        decimal=decimal if files.dialect else None,
        columns=tuple(columns),
        notices=tuple(notices),
    )
    names = {files.features.index(name): values for name, values in categories.items()}
    return {
        split: Raw(
            {name: array[rows] for name, array in inputs.items()},
            {name: array[rows] for name, array in targets.items()},
            categories=names,
            understood=understood,
        )
        for split, rows in files.origin.slices().items()
    }


def _decimal(files: Files, config: DatasetConfig) -> tuple[str, list[str]]:
    if files.dialect is None:
        return ".", []
    table, origin = files.table, files.origin
    said = []
    if config.delimiter is None and files.dialect.delimiter != ",":
        said.append(
            f"{origin.name} has a {DELIMITERS[files.dialect.delimiter]} between its values "
            "(dataset.delimiter)."
        )
    if config.encoding is None and not files.dialect.encoding.startswith("utf-8"):
        said.append(f"{origin.name} is in {files.dialect.encoding} (dataset.encoding).")
    if config.decimal is not None:
        return config.decimal, said
    columns = {name: table[name] for name in table.schema.names}
    decimal = find_decimal(columns, origin.where)
    if decimal != ".":
        said.append(
            f"{origin.name} has a comma before the decimals of its numbers (dataset.decimal)."
        )
    elif files.dialect.delimiter != ",":  # as where a comma stands before decimals
        said += three_digits(columns, origin.where)
    return decimal, said


def _parsed(files: Files, name: str, decimal: str) -> Parsed:
    what = f"The column {name!r} of {files.origin.name}"
    is_target = name in files.targets
    try:
        column = files.table[name]
        found = parse(column, decimal) if files.dialect else typed(column)
    except UnreadableError as error:
        where = "" if error.row is None else f" ({files.origin.where(error.row)})"
        way_out = "convert it" if is_target else "leave it out by dataset.features, or convert it"
        raise ValueError(f"{what} {error.what}{where}: {way_out}.") from error
    way_out = "leave those rows out"
    if not is_target:
        way_out += ", or the column by dataset.features"
    if found.kind == "text":
        way_out += " (a value that is called NA or the like needs another name)"
    refuse_missing(found.missing, what, files.origin.where, way_out)
    if found.kind == "number":
        finite = np.isfinite(found.values.reshape(len(found.values), -1)).all(axis=1)
        if not finite.all():
            where = files.origin.where(int((~finite).argmax()))
            raise ValueError(
                f"{what} is no finite number in {int((~finite).sum()):,} rows (the first is "
                f"{where}); {way_out}."
            )
    return found


def _inputs(
    files: Files, parsed: dict[str, Parsed]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]], list[str]]:
    """Arrays of all rows by the inputs' names, the columns that are categories, and notices."""
    origin, names = files.origin, files.features
    texts = [name for name in names if parsed[name].kind == "text"]
    if texts == names:
        if len(texts) == 1:
            return {texts[0]: parsed[texts[0]].texts()}, {}, _single_words(texts[0], parsed, origin)
    elif len(names) == 1 and parsed[names[0]].values.ndim > 1:
        return {"": _float32(names[0], parsed[names[0]].values, files)}, {}, []
    for name in texts:
        count, rows = len(parsed[name].names), origin.examples
        if count > min(_CATEGORIES, rows // 2):
            raise ValueError(
                f"The column {name!r} of {origin.name} holds text, {count:,} different ones in "
                f"{rows:,} rows; allowed beside other columns are categories, at most "
                f"{_CATEGORIES:,} of them and each in two rows on average: choose by "
                "dataset.features, or encode it before."
            )
    nested = [name for name in names if parsed[name].values.ndim > 1]
    if nested and texts:
        raise ValueError(
            f"The column {nested[0]!r} of {origin.name} holds lists beside {texts[0]!r}, which is "
            "text; allowed are lists and numbers, or numbers and text: choose by dataset.features."
        )
    columns = [_float32(name, parsed[name].values, files) for name in names]
    flat = [column.reshape(len(column), -1) for column in columns]
    said = [f"{name} ({len(parsed[name].names)})" for name in texts]
    notices = [_rounded(name, parsed[name], files) for name in names if name not in texts]
    if texts:
        notices.append(
            f"Text in {origin.name} is taken as categories, an input for each that the training "
            f"split has: {', '.join(said)}."
        )
    categories = {name: parsed[name].names for name in texts}
    return {"": np.concatenate(flat, axis=1)}, categories, [n for n in notices if n]


def _single_words(name: str, parsed: dict[str, Parsed], origin: Origin) -> list[str]:
    """A notice on a lone text that may be something else."""
    if any(len(text.split()) > 1 for text in parsed[name].names):
        return []
    first = parsed[name].texts()[0]
    return [
        f"The column {name!r} of {origin.name} holds one word in each row ({first[:40]!r} and so "
        "on) and is read as text, whose words become tokens."
    ]


def _float32(name: str, values: np.ndarray, files: Files) -> np.ndarray:
    with np.errstate(over="ignore"):
        done = values.astype(np.float32)
    large = ~np.isfinite(done.reshape(len(done), -1)).all(axis=1)
    if large.any():
        raise ValueError(
            f"The column {name!r} of {files.origin.name} holds numbers that are too large for "
            f"float32 (the first is {files.origin.where(int(large.argmax()))}): scale it, or leave "
            "it out by dataset.features."
        )
    return done


def _rounded(name: str, column: Parsed, files: Files) -> str:
    """A notice on numbers that float32 does not tell apart; empty where there are none.

    A few of many numbers with decimals always become equal; more than a tenth do not by chance.
    """
    largest = np.abs(column.values.astype(np.float64)).max()
    if largest <= _EXACT:
        return ""
    count = len(np.unique(column.values))
    lost = count - len(np.unique(column.values.astype(np.float32)))
    if column.kind != "whole number" and lost <= count / 10:
        return ""
    return (
        f"The column {name!r} of {files.origin.name} holds numbers as large as "
        f"{largest:,.0f}, which float32 rounds: {lost:,} of its {count:,} different values become "
        "equal to others; take off what all have in common, if the difference counts."
        if lost
        else ""
    )


def _feature(name: str, column: Parsed, categories: dict[str, tuple[str, ...]]) -> Column:
    if column.kind == "text":
        kind = "category" if name in categories else "text"
        return Column(name=name, role="feature", kind=kind, distinct=len(column.names))
    return Column(
        name=name,
        role="feature",
        kind=column.kind,
        shape=column.values.shape[1:],
        minimum=float(column.values.min()),
        maximum=float(column.values.max()),
    )
