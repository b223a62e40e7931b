"""Writing a search's results into its output folder, all or none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from secateur.datasets.card.schema import Card
from secateur.output import replace
from secateur.report.data import DataFaces
from secateur.report.data import to_html as data_page
from secateur.report.search import SearchReport
from secateur.report.search_html import to_html
from secateur.report.sensitivity_plots import write_png
from secateur.searching.curves import Sensitivity

_HEAD = """\
# What the search found. The same model again, with its report:
#   secateur prune --config prune.yaml
"""


def write_search(
    folder: Path, report: SearchReport, config: dict[str, Any], model: Path, data: DataFaces
) -> None:
    """Writes `search.json`, `search.html`, `sensitivity.png`, `prune.yaml` and `model.keras`.

    Args:
        folder: The output folder; files of an earlier search in it are replaced.
        report: The report.
        config: Parameters of a run of `prune` that gives the model.
        model: The final model's file, which is copied.
        data: What is told of the data; its files are copied too.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
        ValueError: One sentence: a file there is not of an earlier run.
    """

    def write(partial: Path) -> None:
        for file in (model, *data.feeding):
            shutil.copyfile(file, partial / file.name)
        write_png([step.sensitivity for step in report.steps], partial / "sensitivity.png")
        text = yaml.safe_dump(_without_empty(config), sort_keys=False, allow_unicode=True)
        (partial / "prune.yaml").write_text(_HEAD + text, encoding="utf-8")
        (partial / "search.html").write_text(
            to_html(report, _HEAD + text, data.cards), encoding="utf-8"
        )
        (partial / "search.json").write_text(report.to_json(), encoding="utf-8")

    replace(folder, "search", write, last="search.json")


def write_sensitivity(folder: Path, found: list[Sensitivity], card: Card) -> None:
    """Writes `sensitivity.json` and `sensitivity.png`, and the card of the data as `data.html`.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
        ValueError: One sentence: a file there is not of an earlier run.
    """

    def write(partial: Path) -> None:
        write_png(found, partial / "sensitivity.png")
        text = ",\n".join(each.model_dump_json(indent=2) for each in found)
        (partial / "data.html").write_text(data_page(card), encoding="utf-8")
        (partial / "sensitivity.json").write_text(f"[{text}]\n", encoding="utf-8")

    replace(folder, "sensitivity", write, last="sensitivity.json")


def _without_empty(value: Any) -> Any:
    """Nested mappings without what is empty or None: defaults that say nothing."""
    if isinstance(value, dict):
        kept = {k: _without_empty(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v is not None and v != {} and v != []}
    if isinstance(value, list | tuple):
        return [_without_empty(each) for each in value]
    return value
