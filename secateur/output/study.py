"""A study's file, which a search appends to: only to one that is a study already."""

from __future__ import annotations

import json
import os
from pathlib import Path


def check_study(path: Path) -> None:
    """Refuses to append to a file that is no study.

    Args:
        path: The file, which need not be there.

    Raises:
        ValueError: One sentence.
    """
    if not os.path.lexists(path):
        return
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16)
        entry = json.loads(first) if first else {"op_code": 0}
    except (OSError, ValueError):
        entry = None
    if not isinstance(entry, dict) or "op_code" not in entry:
        raise ValueError(
            f"the study would be appended to {str(path)!r}, which is no study of an earlier "
            "search; move it away, or give another file as search.study."
        )
