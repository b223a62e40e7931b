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
    from secateur.evaluation.in_process import Evaluated, evaluate
    from secateur.pruning import Pruned, prune
    from secateur.searching.in_process import Searched, search, sensitivity
    from secateur.structure.printing import inspect

_WHERE = {
    "Evaluated": "evaluation.in_process",
    "Pruned": "pruning",
    "Searched": "searching.in_process",
    "evaluate": "evaluation.in_process",
    "inspect": "structure.printing",
    "load_encoder": "datasets.encoder",
    "prune": "pruning",
    "search": "searching.in_process",
    "sensitivity": "searching.in_process",
}

__all__ = [
    "Evaluated",
    "Pruned",
    "Searched",
    "evaluate",
    "inspect",
    "load_encoder",
    "prune",
    "search",
    "sensitivity",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    return submodule(__name__, name)  # as in secateur.importance.score(...)
