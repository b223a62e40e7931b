"""What each weight of a model is worth: criteria that turn a model (and data) into scores.

`score` needs TensorFlow and is imported on first use; `ImportanceConfig` and the list of criteria
do not need it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from secateur.lazy import submodule

if TYPE_CHECKING:
    from secateur.importance.config import ImportanceConfig
    from secateur.importance.scores import Scores
    from secateur.importance.scoring import score, score_units

_HOME = {
    "ImportanceConfig": "secateur.importance.config",
    "Scores": "secateur.importance.scores",
    "score": "secateur.importance.scoring",
    "score_units": "secateur.importance.scoring",
}

__all__ = ["ImportanceConfig", "Scores", "score", "score_units"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    return submodule(__name__, name)
