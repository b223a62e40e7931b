"""Writing a sweep's results into its output folder, all or none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from secateur.output import replace
from secateur.report.data import DataFaces
from secateur.report.sweep import SweepReport
from secateur.report.sweep_html import to_html
from secateur.report.sweep_plots import write_png

_NOTHING = DataFaces()


def write_sweep(
    folder: Path, report: SweepReport, models: Mapping[int, Path], data: DataFaces = _NOTHING
) -> SweepReport:
    """Writes `sweep.json`, `sweep.html`, `sweep.png` and `models/`.

    Args:
        folder: The output folder; files of an earlier sweep in it are replaced.
        report: The report.
        models: The best model's file of each variant that is worth its cost.
        data: What is told of the data; its files are copied too.

    Returns:
        The report with the names of the models' files.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
        ValueError: One sentence: a file there is not of an earlier run.
    """
    names = {place: f"models/{_file_name(report, place)}" for place in models}
    variants = [
        variant.model_copy(update={"model": names.get(place)})
        for place, variant in enumerate(report.variants)
    ]
    report = report.model_copy(update={"variants": variants})

    def write(partial: Path) -> None:
        (partial / "models").mkdir()
        for place, model in models.items():
            shutil.copyfile(model, partial / names[place])
        for file in data.feeding:
            shutil.copyfile(file, partial / "models" / file.name)
        write_png(report, partial / "sweep.png")
        (partial / "sweep.html").write_text(to_html(report, data.cards), encoding="utf-8")
        (partial / "sweep.json").write_text(report.to_json(), encoding="utf-8")

    replace(folder, "sweep", write, last="sweep.json")
    return report


def _file_name(report: SweepReport, place: int) -> str:
    """Such as `03-ratio-0.9-criterion-magnitude.keras`."""
    text = re.sub(r"[^A-Za-z0-9_.]+", "-", report.variants[place].name).strip("-")
    return f"{place:02d}-{text[:80]}.keras"
