"""`report.md`: the report for people, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence

from secateur.proof.record import Check
from secateur.report.checked import NOTE, checked_table
from secateur.report.evidence import Evidence
from secateur.report.images import sheet_uri
from secateur.report.naming import source
from secateur.report.schema import Report
from secateur.report.speed import verdict
from secateur.report.tables import cost_table, layer_table, stage_table, summary


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
