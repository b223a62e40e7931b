"""`report.md`: the report for people, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from secateur.datasets.card.schema import Card
from secateur.proof.record import Check
from secateur.report.checked import NOTE, checked_table
from secateur.report.data_tables import (
    Table,
    card_summary,
    duplicate_lines,
    feeding_lines,
    input_table,
    picture_lines,
    sample_parts,
    source_line,
    source_table,
    split_table,
    target_table,
)
from secateur.report.evidence import Evidence
from secateur.report.images import sheet_uri
from secateur.report.naming import source
from secateur.report.schema import Report
from secateur.report.speed import verdict
from secateur.report.tables import cost_table, layer_table, stage_table, summary

_MARKS = re.compile(r"[\\`*<>\[\]]|(?<![^\W_])_|_(?![^\W_])")
"""What stands for something in Markdown; a `_` inside a word does not, and tables care for bars."""


def to_markdown(report: Report) -> str:
    """The text of `report.md`."""
    notices = "".join(f"- {notice}\n" for notice in report.notices) or "None.\n"
    return "\n".join(
        [
            f"# {title(report)}\n",
            summary(report) + "\n",
            "## Before and after\n",
            markdown_table(*cost_table(report)),
            *([said + "\n"] if (said := verdict(report)) else []),
            "## Layers\n",
            markdown_table(*layer_table(report)),
            *data_section(report.data_card),
            "## Notices\n",
            notices,
            *checks_section(report.checks),
            "## Stages\n",
            markdown_table(*stage_table(report)),
            "## Parameters\n",
            f"```json\n{json.dumps(report.parameters, indent=2)}\n```\n",
        ]
    )


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def checks_section(checks: Sequence[Check]) -> list[str]:
    """The section Checked; nothing where a run checked nothing."""
    if not checks:
        return []
    return ["## Checked\n", f"{NOTE}\n", markdown_table(*checked_table(checks))]


def data_section(card: Card | None) -> list[str]:
    """The section Data: the card of the data set in short; nothing where a run has none."""
    if card is None:
        return []
    lines = [*picture_lines(card), *duplicate_lines(card), *feeding_lines(card), *card.warnings]
    told = [_list(lines)] if lines else []
    return ["## Data\n", f"{_plain(card_summary(card))}\n", _table(split_table(card)), *told]


def card_markdown(card: Card) -> str:
    """The card of a data set as a page of its own."""
    parts = [f"# Data: {_plain(card.name)}\n", *data_section(card)[1:]]
    if card.source and card.source.columns:
        parts += ["## Columns\n", f"{_plain(source_line(card))}\n", _table(source_table(card))]
    parts += ["## Inputs\n", _table(input_table(card))]
    for target in card.targets:
        named = f" {_plain(target.name)}" if target.name else ""
        parts.append(f"## Target{named}: {target.task.replace('_', ' ')}\n")
        if (table := target_table(target))[1]:
            parts.append(_table(table))
    if card.notices:
        parts += ["## Notices\n", _list(card.notices)]
    rows = []
    for sample in card.samples:
        pictures, texts, answer = sample_parts(card, sample)
        shown = [*(f"![{_plain(answer)}]({uri})" for uri in pictures), *map(_plain, texts)]
        rows.append([_plain(answer), "; ".join(shown)])
    samples = markdown_table(["target", "what the model gets"], rows)
    return "\n".join([*parts, "## Samples\n", samples])


def _table(table: Table) -> str:
    header, rows = table
    return markdown_table(header, [list(map(_plain, row)) for row in rows])


def _list(lines: Sequence[str]) -> str:
    return "".join(f"- {_plain(line)}\n" for line in lines)


def _plain(text: str) -> str:
    """A user's text on one line, none of which Markdown takes for a mark of its own."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def title(report: Report) -> str:
    """Such as `Pruning lenet_5 on mnist_5k`."""
    return f"Pruning {model_name(report)} on {source(report.parameters['dataset'])}"


def model_name(report: Report) -> str:
    """What the parameters call the model: an architecture, a file or a factory."""
    return source(report.parameters["model"])


def lost_examples(evidence: Evidence) -> str:
    """Pictures of examples that were right before and are wrong at the end, where there are any."""
    changes = evidence.explanation.changes if evidence.explanation else None
    if changes is None or evidence.pictures is None:
        return ""
    lost = [f for f in changes.flips if f.before == f.label and f.picture is not None]
    if not lost:
        return ""
    names = [each.name for each in changes.classes]
    sheet = sheet_uri(
        [evidence.pictures[flip.picture] for flip in lost],
        [f"{names[flip.before]} > {names[flip.after]}"[:14] for flip in lost],
    )
    return f"\nRight before, wrong at the end:\n\n![The examples]({sheet})\n"
