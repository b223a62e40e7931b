"""Writing a run's results into its output folder, each file whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from secateur.report.card import to_card
from secateur.report.evidence import Evidence
from secateur.report.markdown import to_markdown
from secateur.report.page import to_html
from secateur.report.schema import Report

RESULTS = ("report.json", "report.html", "report.md", "model.keras", "model_card.md", "tensorboard")
"""What a run leaves in its output folder."""

_NOTHING = Evidence()


class OutputError(OSError):
    """The output folder cannot be written; one sentence, and the `errno` of what went wrong."""

    def __str__(self) -> str:
        return self.strerror or ""


def check_output(folder: Path) -> None:
    """Makes the output folder (`~` is the home folder), and refuses one that cannot be written.

    Raises:
        ValueError: One sentence that says why.
    """
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"output is {str(folder)!r}, which cannot be written ({error.strerror}); give another "
            "folder."
        ) from error


def write_results(
    folder: Path,
    report: Report,
    model: Path,
    evidence: Evidence = _NOTHING,
    logs: Path | None = None,
    exports: Path | None = None,
    vectorizer: Path | None = None,
) -> None:
    """Writes `report.json`, its faces, `model.keras` and its card, and the exported files.

    Args:
        folder: The output folder; files of an earlier run in it are replaced.
        report: The report.
        model: The final model's file, which is copied.
        evidence: What the page shows beside the report.
        logs: A folder of logs for TensorBoard, which is copied.
        exports: A folder of exported files, which are copied.
        vectorizer: Of a model of texts, the file that turns them into tokens; copied too.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
    """

    def write(partial: Path) -> None:
        if exports is not None:
            _copy(exports, partial)
        if not (partial / "model.keras").exists():  # an exported one can be clustered
            shutil.copyfile(model, partial / "model.keras")
        if vectorizer is not None:
            shutil.copyfile(vectorizer, partial / vectorizer.name)
        if logs is not None:
            _copy(logs, partial / "tensorboard")
        (partial / "model_card.md").write_text(to_card(report, evidence), encoding="utf-8")
        (partial / "report.md").write_text(to_markdown(report), encoding="utf-8")
        (partial / "report.html").write_text(to_html(report, evidence), encoding="utf-8")
        (partial / "report.json").write_text(report.to_json(), encoding="utf-8")

    replace_all(folder, write, last="report.json")


def _copy(folder: Path, copy: Path) -> None:
    """Copies files of any depth; unlike `shutil.copytree` it stops at the first error."""
    for file in folder.rglob("*"):
        if file.is_file():
            target = copy / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def replace_all(folder: Path, write: Callable[[Path], None], last: str) -> None:
    """Writes files (and folders) into a folder, all or none.

    What an earlier run left stays as it is until all of the new ones are written; then each one
    takes its place in one step, and `last` comes last: where it is, the others belong to it.

    Args:
        folder: The output folder; `~` is the home folder.
        write: Writes everything into the folder that it is given.
        last: The file that vouches for the others.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
    """
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".results-", dir=folder) as name:
            partial = Path(name)
            write(partial)
            (folder / last).unlink(missing_ok=True)
            for path in sorted(partial.iterdir(), key=lambda path: path.name == last):
                target = folder / path.name
                if target.is_dir():
                    shutil.rmtree(target)
                path.replace(target)
    except OSError as error:
        raise OutputError(
            error.errno,
            f"The results cannot be written to {str(folder)!r} ({error.strerror or error}); make "
            "room or give another output folder, and run the same command again: what was "
            "computed is kept.",
        ) from error
