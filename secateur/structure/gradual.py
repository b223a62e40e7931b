"""Channels and heads pruned while a model trains: masks first, and the cut at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np

from secateur.sparsity.config import TargetConfig
from secateur.sparsity.masks import Masks
from secateur.structure.choosing import choose
from secateur.structure.dependency import analyse
from secateur.structure.pruning import choosing

Chooser = Callable[[Mapping[str, np.ndarray], TargetConfig], Masks]
"""Function of scores and a one-shot target to masks of all prunable weights."""


def chooser(model: keras.Model) -> Chooser:
    """What chooses whole channels or heads for `secateur.sparsity.gradual.GradualPruning`.

    Its masks zero every kernel that makes or reads what goes, across residual connections and
    whatever else ties layers together, so that channels can come back, and `shrink` removes at the
    end exactly what is masked.

    Args:
        model: A built Functional or Sequential model.

    Raises:
        ValueError: If the model is subclassed.
    """
    graph = analyse(model)

    def masks(scores: Mapping[str, np.ndarray], target: TargetConfig) -> Masks:
        removal = choose(graph, scores, **choosing(target))
        return Masks(removal.masks, notices=[*graph.notices, *removal.notices])

    return masks
