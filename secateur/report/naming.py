"""What a report calls the model and the data."""

from __future__ import annotations

from typing import Any

_WAYS = ("name", "path", "factory", "application", "preset")


def source(group: dict[str, Any]) -> str:
    """What a model or a data set comes from, by its parameters: a name, a path, a factory …"""
    return next((group[way] for way in _WAYS if group.get(way)), "")
