"""A Keras model as a graph: building it again, and the one way to copy it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from secateur.graph.copying import CopyError, copied, fresh

__all__ = ["CopyError", "copied", "fresh"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.copying"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
