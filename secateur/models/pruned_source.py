"""The file of a pruned model that a transfer starts from. Imports no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path


def source_file(source: str) -> Path:
    """The `.keras` file that `source`, a file or an output folder, stands for.

    Raises:
        ValueError: One sentence: it is not there, or no such file.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / "model.keras"
        if not path.is_file():
            raise ValueError(
                f"transfer.source is {source!r}, a folder without model.keras; give the output "
                "folder of a run, or a .keras file."
            )
    if not path.is_file():
        raise ValueError(
            f"transfer.source is {source!r}, which is no file; give a pruned .keras file, or the "
            "output folder of a run that made one."
        )
    if path.suffix != ".keras":
        raise ValueError(
            f"transfer.source is {source!r}; allowed is a file that ends in .keras, or the output "
            "folder of a run."
        )
    return path


def was_cut(file: Path) -> bool:
    """Whether the report beside a model says that it has fewer parameters than the dense one.

    A model whose channels were removed for good holds no zeros that would show it.
    """
    try:
        report = json.loads((file.parent / "report.json").read_text(encoding="utf-8"))
        return report["fine_tuned"]["parameters"] < report["dense"]["parameters"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
