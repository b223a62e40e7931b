"""One call from scores and a target to a smaller model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from secateur.models import strided
from secateur.models.weights import flat_layers
from secateur.proof.cuts import prove_cut, prove_layers
from secateur.structure.choosing import choose
from secateur.structure.cutting import remove
from secateur.structure.dependency import analyse
from secateur.structure.layers import LayerRemoval, choose_layers
from secateur.structure.removal import Removal
from secateur.structure.shrinking import Pruned


@dataclass(frozen=True)
class StructureTarget:
    """How much to remove of what.

    Attributes:
        pattern: "channel" (units of feed-forward blocks and experts too), "head" or "layer".
        ratio: Share to remove of what `measure` names. With an allocation by names it is not read.
        measure: "channels" (with heads: heads), "layers", "parameters", "flops" or "latency".
        allocation, pooling, round_to, floor: As in `choose`; not read with the pattern "layer".
        include, exclude: Globs on paths, names or types of layers; no include is every layer.
    """

    pattern: str = "channel"
    ratio: float | None = 0.5
    measure: str = "parameters"
    allocation: str | Mapping[str, float] = "global"
    pooling: str = "sum"
    round_to: int = 1
    floor: int | float = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


KINDS: dict[str, tuple[str, ...]] = {"channel": ("channel",), "head": ("head",)}


def choose_for(
    model: keras.Model,
    scores: Mapping[str, np.ndarray] | None,
    target: StructureTarget,
    *,
    criterion: str = "scores",
    data: Any = None,
    loss: Any = None,
    latency: Callable[[keras.Model], float] | None = None,
) -> Removal | LayerRemoval:
    """What a target removes of a model; see `prune` for the arguments."""
    if target.pattern == "layer":
        return choose_layers(
            model,
            ratio=_ratio(target),
            measure=target.measure,
            criterion=criterion,
            data=data,
            loss=loss,
            scores=scores,
            include=target.include,
            exclude=target.exclude,
            latency=latency,
        )
    if target.pattern not in KINDS:
        raise ValueError(
            f"The pattern {target.pattern!r} is not removed as a whole; use channel, head or "
            "layer, or prune weights and then call structure.shrink."
        )
    if scores is None:
        raise ValueError(f"The pattern {target.pattern!r} needs `scores`: those of importance.")
    named = not isinstance(target.allocation, str)
    return choose(
        analyse(model),
        scores,
        ratio=0.0 if named else _ratio(target),
        measure=target.measure,
        allocation=target.allocation,
        pooling=target.pooling,
        kinds=KINDS[target.pattern],
        round_to=target.round_to,
        floor=target.floor,
        include=target.include,
        exclude=target.exclude,
        latency=latency,
    )


def prune(
    model: keras.Model,
    scores: Mapping[str, np.ndarray] | None,
    target: StructureTarget,
    *,
    criterion: str = "scores",
    data: Any = None,
    loss: Any = None,
    latency: Callable[[keras.Model], float] | None = None,
) -> Pruned:
    """Removes channels, heads or layers for good.

    Args:
        model: A built Functional or Sequential model; it is untouched.
        scores: Weight path -> array of the weight's shape (`importance.score`). With the pattern
            "layer" and another criterion than "scores" they are not read.
        target: How much to remove of what; a share, a measure and a pattern.
        criterion: Of layers: "scores", "loss" or "similarity" (see `choose_layers`).
        data: Calibration data `(x, y)` for the criteria "loss" and "similarity", and for the proof
            that the new model computes what it should; None proves it on generated examples.
        loss: Loss for the criterion "loss"; None takes the one the model was compiled with.
        latency: Model -> time, for the measure "latency".

    Returns:
        The new model, notices, checks, and the widths of layers before and after.

    Raises:
        ValueError: If the model is subclassed, the target is not one of those, or nothing can go.
    """
    removal = choose_for(
        model, scores, target, criterion=criterion, data=data, loss=loss, latency=latency
    )
    small = remove(model, removal)
    notices, kept = list(removal.notices), {}
    if isinstance(removal, Removal):
        notices, kept = [*removal.graph.notices, *notices], removal.kept
        check = prove_cut(model, small, kept, data)
    else:
        check = prove_layers(model, small, removal.bypass, data)
    notices += strided.notices(flat_layers(small))
    return Pruned(small, notices, removal.layer_widths, kept=kept, checks=(check,))


def _ratio(target: StructureTarget) -> float:
    if target.ratio is None:
        raise ValueError(
            f"The pattern {target.pattern!r} needs a ratio: what share to remove of the "
            f"{target.measure}."
        )
    return target.ratio
