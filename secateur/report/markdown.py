"""`report.md`: the report for people, in Markdown."""

from __future__ import annotations

import json

from secateur.report.schema import Report
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


def title(report: Report) -> str:
    """Such as `Pruning lenet_5 on mnist_5k`."""
    return f"Pruning {model_name(report)} on {report.parameters['dataset']['name']}"


def model_name(report: Report) -> str:
    """What the parameters call the model: an architecture, a file or a factory."""
    model = report.parameters["model"]
    return model["name"] or model["path"] or model["factory"]
