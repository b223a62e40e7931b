"""Writing a transfer's results into its output folder, all or none."""

from __future__ import annotations

import shutil
from pathlib import Path

from secateur.output import replace
from secateur.report.data import DataFaces
from secateur.report.transfer import LABELS, TransferReport, transfer_markdown
from secateur.report.transfer_html import to_html

_NOTHING = DataFaces()
_COLORS = {"transferred": "#0b6e4f", "scratch": "#c1440e", "pruned": "#3a5a9b"}


def write_transfer(
    folder: Path, report: TransferReport, model: Path, data: DataFaces = _NOTHING
) -> None:
    """Writes `transfer.json`, `.md`, `.html` and `.png`, and `model.keras`.

    Args:
        folder: The output folder; files of an earlier run in it are replaced.
        report: The report.
        model: The final model's file, which is copied.
        data: What is told of the data; its files are copied too.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
        ValueError: One sentence: a file there is not of an earlier run.
    """

    def write(partial: Path) -> None:
        for file in (model, *data.feeding):
            shutil.copyfile(file, partial / file.name)
        write_curves(report, partial / "transfer.png")
        text = transfer_markdown(report)
        (partial / "transfer.md").write_text(text, encoding="utf-8")
        (partial / "transfer.html").write_text(to_html(report, data.cards), encoding="utf-8")
        (partial / "transfer.json").write_text(report.to_json(), encoding="utf-8")

    replace(folder, "transfer", write, last="transfer.json")


def write_curves(report: TransferReport, path: Path) -> None:
    """The metric by epoch of each model, on validation data where there is some."""
    from matplotlib.figure import Figure  # no global state, so no window system either
    from matplotlib.ticker import MaxNLocator

    name = next(iter(report.models["transferred"].metrics))
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    begin = 0
    for model, history in report.histories.items():
        values = history.get(f"val_{name}") or history.get(name) or []
        first = begin if model == "pruned" else 0
        epochs = range(first + 1, first + 1 + len(values))
        axes.plot(epochs, [100 * v for v in values], color=_COLORS[model], label=LABELS[model])
        if model == "transferred":
            begin = len(values)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{name}, %")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
