"""Secateur prunes trained Keras 3 models. Plain Keras and NumPy; works in a notebook by itself.

`secateur.prune` is found on first use: importing the package imports no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from secateur.pruning import Pruned, prune

__all__ = ["Pruned", "prune"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.pruning"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
