"""What a report calls the model and the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_WAYS = ("name", "path", "factory", "application", "preset")


def source(group: dict[str, Any]) -> str:
    """What a model or a data set comes from, by its parameters: a name, a file's name, a factory …

    The folder that a file is in is no business of who reads the report.
    """
    way = next((way for way in _WAYS if group.get(way)), None)
    if way is None:
        return ""
    return Path(group[way]).name if way in ("path", "preset") else group[way]
