"""`secateur data`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import OK, fail, refuse
from secateur.flows.data_parameters import DataParameters

if TYPE_CHECKING:
    from secateur.datasets.card.schema import Card
    from secateur.datasets.config import DatasetConfig
    from secateur.report.data_tables import Table


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "data",
        help="show what is understood of a data set",
        description="Reads a data set as a run does, and shows its splits, columns, classes and "
        "ranges, a few examples as the model gets them, and what may be wrong with it.",
    )
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="A file or a folder of data, or the name of a data set; as --dataset.path and "
        "--dataset.name.",
    )
    parser.add_argument("--json", action="store_true", help="Print the card as JSON.")
    parser.add_argument(
        "--html", metavar="FILE", help="Write the card as one page, to this .html file."
    )
    parser.set_defaults(run=run, flags=Flags(DataParameters, parser))
    parser.usage = "secateur data [-h] [PATH] [--json] [--html FILE] [--dataset.FIELD VALUE ...]"


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Reads the data and prints the card to the standard output; no Prefect is needed."""
    from secateur.datasets.names import check_dataset
    from secateur.tasks.quiet import import_tensorflow

    try:
        dataset = _dataset(namespace)
        check_dataset(dataset)
        with console.status("Reading the data"):
            import_tensorflow()
            card = _card(dataset)
    except ValueError as error:
        return refuse(console, "data", error)
    except OSError as error:
        return fail(console, "data", error)
    try:
        if namespace.html:
            from secateur.report.data import to_html

            Path(namespace.html).write_text(to_html(card), encoding="utf-8")
    except OSError as error:
        return fail(console, "data", error)
    if namespace.json:
        sys.stdout.write(card.model_dump_json(indent=2) + "\n")
    else:
        _show(card, Console(soft_wrap=True))
    return OK


def _dataset(namespace: argparse.Namespace) -> DatasetConfig:
    from secateur.datasets.layout import kind_of

    given: DatasetConfig = namespace.flags.read(namespace).dataset
    if namespace.path is None:
        return given
    if {"path", "factory"} & given.model_fields_set or given.name != type(given)().name:
        raise ValueError(
            f"PATH is {namespace.path!r}, and --dataset says another data set; give one of them."
        )
    fields = given.model_dump(exclude={"name", "path", "factory"})
    # What is on the disk goes before a name that is the same.
    there = Path(namespace.path).expanduser().exists()
    named = not there and "/" not in namespace.path and kind_of(Path(namespace.path)) is None
    return type(given)(**fields, **{"name" if named else "path": namespace.path})


def _card(dataset: DatasetConfig) -> Card:
    from secateur.datasets.card.describe import describe
    from secateur.datasets.load import materialize

    with tempfile.TemporaryDirectory() as folder:
        return describe(materialize(dataset, Path(folder)))


def _show(card: Card, console: Console) -> None:
    from secateur.report.data_tables import (
        card_summary,
        duplicate_lines,
        feature_table,
        input_table,
        picture_lines,
        source_line,
        source_table,
        split_table,
        target_table,
    )

    _say(console, card_summary(card))
    _print(split_table(card), console)
    lines = [*filter(None, [source_line(card)]), *picture_lines(card), *duplicate_lines(card)]
    if lines:
        _say(console, "\n" + "\n".join(lines))
    tables = [source_table(card), input_table(card)]
    tables += [feature_table(each.features) for each in card.inputs if not card.source]
    tables += map(target_table, card.targets)
    for table in tables:
        if table[1]:
            _print(table, console)
    for title, sentences in (("Notices", card.notices), ("Warnings", card.warnings)):
        if sentences:
            console.print(f"\n{title}", style="bold")
            for sentence in sentences:
                _say(console, f"- {sentence}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def _print(table: Table, console: Console) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    header, rows = table
    shown = RichTable(box=None, pad_edge=False)
    for name in header:
        shown.add_column(name)
    for row in rows:
        shown.add_row(*map(Text, row))
    console.print()
    console.print(shown)
