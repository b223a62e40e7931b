"""Secateur prunes trained Keras 3 models. Plain Keras and NumPy; works in a notebook by itself.

`secateur.prune`, `secateur.load_encoder` and all rooms are found on first use: importing the
package imports no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from secateur.lazy import submodule

if TYPE_CHECKING:
    from secateur.datasets.encoder import load_encoder
    from secateur.pruning import Pruned, prune

__all__ = ["Pruned", "load_encoder", "prune"]

_PUBLIC = {
    "Pruned": "secateur.pruning",
    "load_encoder": "secateur.datasets.encoder",
    "prune": "secateur.pruning",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    return submodule(__name__, name)  # as in secateur.importance.score(...)
