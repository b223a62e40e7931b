"""One call from scores and a target to a smaller model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from secateur.models import strided
from secateur.models.weights import flat_layers
from secateur.proof.cuts import prove_cut, prove_layers
from secateur.sparsity.config import TargetConfig
from secateur.structure.choosing import choose
from secateur.structure.cutting import remove
from secateur.structure.dependency import analyse
from secateur.structure.layers import LayerRemoval, choose_layers
from secateur.structure.recalibration import NORM_EXAMPLES, remeasure
from secateur.structure.removal import Removal
from secateur.structure.shrinking import Cut


def choose_for(
    model: keras.Model,
    scores: Mapping[str, np.ndarray] | None,
    target: TargetConfig,
    *,
    data: Any = None,
    loss: Any = None,
    latency: Callable[[keras.Model], float] | None = None,
) -> Removal | LayerRemoval:
    """What a target removes of a model; see `remove_least` for the arguments."""
    if target.pattern == "layer":
        return choose_layers(
            model,
            ratio=_ratio(target),
            measure=target.measure,
            criterion=target.rank_layers,
            data=data,
            loss=loss,
            scores=scores,
            include=target.include,
            exclude=target.exclude,
            latency=latency,
        )
    if not target.cuts:
        raise ValueError(
            f"A target of the pattern {target.pattern!r} and the allocation {target.allocation!r} "
            "is not removed as a whole; use channel, head or layer, or prune weights and then call "
            "structure.shrink."
        )
    if scores is None:
        raise ValueError(f"The pattern {target.pattern!r} needs `scores`: those of importance.")
    return choose(analyse(model), scores, **choosing(target), latency=latency)


def choosing(target: TargetConfig) -> dict[str, Any]:
    """The arguments of `choose` that a target of channels or heads gives."""
    return {
        "ratio": 0.0 if isinstance(target.allocation, dict) else _ratio(target),
        "measure": target.measure,
        "allocation": target.settled("").allocation,
        "pooling": target.pooling,
        "kinds": (target.pattern,),
        "round_to": target.round_to,
        "floor": target.floor,
        "include": target.include,
        "exclude": target.exclude,
    }


def remove_least(
    model: keras.Model,
    scores: Mapping[str, np.ndarray] | None,
    target: TargetConfig,
    *,
    data: Any = None,
    loss: Any = None,
    seed: int = 0,
    latency: Callable[[keras.Model], float] | None = None,
) -> Cut:
    """Removes the channels, heads or layers that are worth the least, for good.

    Args:
        model: A built Functional or Sequential model; it is untouched.
        scores: Weight path -> array of the weight's shape (`importance.score`); None with pattern
            `layer`, unless it ranks by scores.
        target: One whose `cuts` is true; its schedule is not acted on.
        data: Training data `(x, y)`: to rank layers, for the proof that the new model computes what
            it should, and for its BatchNorm, which is measured anew. None: what needs no data is
            done, and proved on generated examples.
        loss: Loss to rank layers by; None takes the one the model was compiled with.
        seed: Seed of the draw of examples.
        latency: Model -> milliseconds, for the measure `latency`.

    Returns:
        The new model, notices, checks, and the widths of layers before and after.

    Raises:
        ValueError: If the model is subclassed, the target is not one of those, or nothing can go.
        ProofError: If the new model does not compute what it should.
    """
    removal = choose_for(model, scores, target, data=data, loss=loss, latency=latency)
    small = remove(model, removal)
    notices, kept = list(removal.notices), {}
    if isinstance(removal, Removal):
        notices, kept = [*removal.graph.notices, *notices], removal.kept
        checks = [prove_cut(model, small, kept, data)]
    else:
        checks = [prove_layers(model, small, removal.bypass, data)]
    notices += strided.notices(flat_layers(small))
    if latency is not None:
        before, after = latency(model), latency(small)
        notices.append(
            f"Latency of one example: {before:.3g} ms before the cut, {after:.3g} ms after it, "
            f"{1 - after / before:.1%} less."
        )
    if data is not None:
        found = remeasure(small, lambda: data, examples=NORM_EXAMPLES, seed=seed)
        notices += found.notices
        checks += found.checks
    return Cut(small, notices, removal.layer_widths, kept=kept, checks=tuple(checks))


def _ratio(target: TargetConfig) -> float:
    if target.ratio is None:
        raise ValueError(f"The pattern {target.pattern!r} needs a ratio; give one, such as 0.5.")
    return target.ratio
