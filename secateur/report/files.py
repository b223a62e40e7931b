"""Writing a run's results into its output folder, each file whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from secateur.report.markdown import to_markdown
from secateur.report.schema import Report


class OutputError(OSError):
    """The output folder cannot be written; one sentence, and the `errno` of what went wrong."""

    def __str__(self) -> str:
        return self.strerror or ""


def check_output(folder: Path) -> None:
    """Makes the output folder, and refuses one that cannot be written.

    Raises:
        ValueError: One sentence that says why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"output is {str(folder)!r}, which cannot be written ({error.strerror}); give another "
            "folder."
        ) from error


def write_results(folder: Path, report: Report, model: Path) -> None:
    """Writes `report.json`, `report.md` and `model.keras`.

    What an earlier run left stays as it is until all of the new files are written; then each one
    takes its place in one step, and `report.json` comes last: where it is, the others belong to it.

    Args:
        folder: The output folder; files of an earlier run in it are replaced.
        report: The report.
        model: The final model's file, which is copied.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
    """
    texts = {"report.md": to_markdown(report), "report.json": report.to_json()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".results-", dir=folder) as name:
            partial = Path(name)
            shutil.copyfile(model, partial / "model.keras")
            for file, text in texts.items():
                (partial / file).write_text(text, encoding="utf-8")
            (folder / "report.json").unlink(missing_ok=True)
            for file in ("model.keras", *texts):
                (partial / file).replace(folder / file)
    except OSError as error:
        raise OutputError(
            error.errno,
            f"The results cannot be written to {str(folder)!r} ({error.strerror or error}); make "
            "room or give another output folder, and run the same command again: what was "
            "computed is kept.",
        ) from error
