"""`report.md`: the report for people, in Markdown."""

from __future__ import annotations

import json

from secateur.report.naming import source
from secateur.report.schema import Report
from secateur.report.speed import verdict
from secateur.report.tables import cost_table, layer_table, stage_table, summary


def to_markdown(report: Report) -> str:
    """The text of `report.md`."""
    notices = "".join(f"- {notice}\n" for notice in report.notices) or "None.\n"
    return "\n".join(
        [
            f"# {_title(report)}\n",
            summary(report) + "\n",
            "## Before and after\n",
            markdown_table(*cost_table(report)),
            *([said + "\n"] if (said := verdict(report)) else []),
            "## Layers\n",
            markdown_table(*layer_table(report)),
            "## Notices\n",
            notices,
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


def _title(report: Report) -> str:
    model, dataset = report.parameters["model"], report.parameters["dataset"]
    return f"Pruning {source(model)} on {source(dataset)}"
