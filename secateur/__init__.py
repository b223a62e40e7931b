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
    from secateur.searching.in_process import Searched, search

_WHERE = {
    "Pruned": "pruning",
    "Searched": "searching.in_process",
    "load_encoder": "datasets.encoder",
    "prune": "pruning",
    "search": "searching.in_process",
}

__all__ = ["Pruned", "Searched", "load_encoder", "prune", "search"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    return submodule(__name__, name)  # as in secateur.importance.score(...)
