"""The end of a flow `sensitivity`: its curves, into the output folder and the Prefect UI."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from secateur.report.search_files import write_sensitivity
from secateur.report.search_tables import sensitivity_summary, sensitivity_table
from secateur.searching.curves import Sensitivity
from secateur.store import Reference
from secateur.tasks.connection import shown_only
from secateur.tasks.data_card import card_of, show_cards
from secateur.tasks.stage import can_pass, read


@task(
    name="report",
    task_run_name="report",
    cache_policy=NO_CACHE,
    retries=2,
    retry_condition_fn=can_pass,
)
def sensitivity_report(
    data: Reference, references: Sequence[Reference], output: Path
) -> list[Sensitivity]:
    """Writes sensitivity.json, sensitivity.png and the card of the data; always runs."""
    found = [
        Sensitivity.model_validate_json((read(each).directory / "sensitivity.json").read_text())
        for each in references
    ]
    card = card_of(data)
    write_sensitivity(output, found, card)
    for each in found:
        get_run_logger().info(sensitivity_summary(each))
    with shown_only():
        _show_in_ui(found, output)
    show_cards([card])
    return found


def _show_in_ui(found: Sequence[Sensitivity], output: Path) -> None:
    for place, each in enumerate(found):
        header, rows = sensitivity_table(each)
        table = [dict(zip(header, row, strict=True)) for row in rows]
        create_table_artifact(table, key=f"sensitivity-{place + 1}", description=each.pattern)
    picture = base64.b64encode((output / "sensitivity.png").read_bytes()).decode()
    text = f"# Sensitivity\n\n![Sensitivity](data:image/png;base64,{picture})\n"
    create_markdown_artifact(text, key="sensitivity", description="Each layer pruned alone")
