"""Writing a run's results into its output folder, all or none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from secateur.output import replace
from secateur.report.card import to_card
from secateur.report.evidence import Evidence
from secateur.report.markdown import to_markdown
from secateur.report.page import to_html
from secateur.report.schema import Report

_NOTHING = Evidence()


def write_results(
    folder: Path,
    report: Report,
    model: Path,
    evidence: Evidence = _NOTHING,
    logs: Path | None = None,
    exports: Path | None = None,
    feeding: Sequence[Path] = (),
) -> None:
    """Writes `report.json`, its faces, `model.keras` and its card, and the exported files.

    Args:
        folder: The output folder; files of an earlier run in it are replaced.
        report: The report.
        model: The final model's file, which is copied.
        evidence: What the page shows beside the report.
        logs: A folder of logs for TensorBoard, which is copied.
        exports: A folder of exported files, which are copied.
        feeding: Files that a user's texts or rows go through before the model; copied too.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
        ValueError: One sentence: a file there is not of an earlier run.
    """

    def write(partial: Path) -> None:
        if exports is not None:
            _copy(exports, partial)
        if not (partial / "model.keras").exists():  # an exported one can be clustered
            shutil.copyfile(model, partial / "model.keras")
        for file in feeding:
            shutil.copyfile(file, partial / file.name)
        if logs is not None:
            _copy(logs, partial / "tensorboard")
        (partial / "model_card.md").write_text(to_card(report, evidence), encoding="utf-8")
        (partial / "report.md").write_text(to_markdown(report), encoding="utf-8")
        (partial / "report.html").write_text(to_html(report, evidence), encoding="utf-8")
        (partial / "report.json").write_text(report.to_json(), encoding="utf-8")

    replace(folder, "prune", write, last="report.json")


def _copy(folder: Path, copy: Path) -> None:
    """Copies files of any depth; unlike `shutil.copytree` it stops at the first error."""
    for file in folder.rglob("*"):
        if file.is_file():
            target = copy / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
