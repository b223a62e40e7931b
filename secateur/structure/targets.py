"""What the group `target` of the parameters means for structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from secateur.sparsity.config import TargetConfig
from secateur.structure.pruning import StructureTarget, prune
from secateur.structure.recalibration import remeasure
from secateur.structure.shrinking import Pruned

_NORM_EXAMPLES = 2048
"""Over which BatchNorm is measured anew."""


def cut(
    model: keras.Model,
    scores: Mapping[str, np.ndarray] | None,
    target: TargetConfig,
    *,
    data: Any,
    loss: Any,
    seed: int = 0,
    latency: Callable[[keras.Model], float] | None = None,
) -> Pruned:
    """Removes channels, heads or layers as a target says, and measures BatchNorm anew.

    Args:
        model: A built Functional or Sequential model; it is untouched.
        scores: Weight path -> array; None with pattern `layer` unless it ranks by scores.
        target: One whose `cuts` is true; its schedule is not acted on.
        data: Training data `(x, y)`: for BatchNorm, and to rank layers.
        loss: Keras loss, to rank layers.
        seed: Seed of the draw of examples.
        latency: Model -> milliseconds, for the measure `latency`.

    Returns:
        The new model, notices, and widths before and after.

    Raises:
        ValueError: If the model is subclassed, or nothing can go.
    """
    wanted = structure_target(target)
    pruned = prune(
        model,
        scores,
        wanted,
        criterion=target.rank_layers,
        data=data,
        loss=loss,
        latency=latency,
    )
    if latency is not None:
        before, after = latency(model), latency(pruned.model)
        pruned.notices.append(
            f"Latency of one example: {before:.3g} ms before the cut, {after:.3g} ms after it, "
            f"{1 - after / before:.1%} less."
        )
    found = remeasure(pruned.model, lambda: data, examples=_NORM_EXAMPLES, seed=seed)
    pruned.notices.extend(found.notices)
    return replace(pruned, checks=(*pruned.checks, *found.checks))


def structure_target(target: TargetConfig) -> StructureTarget:
    """A target of the parameters as one of this room."""
    own = "layers" if target.pattern == "layer" else "channels"
    return StructureTarget(
        pattern=target.pattern,
        ratio=target.ratio,
        measure=own if target.measure == "units" else target.measure,
        allocation=target.settled("").allocation,
        pooling=target.pooling,
        round_to=target.round_to,
        floor=target.floor,
        include=target.include,
        exclude=target.exclude,
    )


def told(widths: Mapping[str, tuple[int, int]]) -> list[str]:
    """One sentence with the widths that changed, or none."""
    changed = [
        f"{name} {before} -> {after}" if after else f"{name} removed"
        for name, (before, after) in widths.items()
        if before != after
    ]
    return [f"Widths: {', '.join(changed)}."] if changed else []
