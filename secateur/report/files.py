"""Writing a run's results into its output folder, each file whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from secateur.report.markdown import to_markdown
from secateur.report.schema import Report


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

    Each file takes its place in one step, and `report.json` comes last: where it is, the others
    belong to it.

    Args:
        folder: The output folder; files of an earlier run in it are replaced.
        report: The report.
        model: The final model's file, which is copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").unlink(missing_ok=True)
    _replace(folder / "model.keras", lambda path: shutil.copyfile(model, path))
    _replace(folder / "report.md", lambda path: path.write_text(to_markdown(report)))
    _replace(folder / "report.json", lambda path: path.write_text(report.to_json()))


def _replace(path: Path, write) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
