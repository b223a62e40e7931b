"""Secateur prunes trained Keras 3 models. Plain Keras and NumPy; works in a notebook by itself.

`secateur.prune` and all rooms are found on first use: importing the package imports no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from secateur.lazy import submodule

if TYPE_CHECKING:
    from secateur.pruning import Pruned, prune

__all__ = ["Pruned", "prune"]


def __getattr__(name: str) -> Any:
    if name in ("Pruned", "prune"):
        return getattr(importlib.import_module(f"{__name__}.pruning"), name)
    return submodule(__name__, name)  # as in secateur.importance.score(...)
