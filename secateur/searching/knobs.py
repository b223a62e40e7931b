"""What of a model can be pruned by its own ratio: layers, and groups of channels or heads."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np

from secateur.evaluation.flops import flops
from secateur.searching.target_config import amount
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout, check_shapes, describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.scope import scope
from secateur.sparsity.select import select
from secateur.sparsity.zeros import masks_of_zeros
from secateur.structure.choosing import choose
from secateur.structure.dependency import Graph, analyse
from secateur.structure.removal import names, selected


@dataclass(frozen=True)
class Knob:
    """Something that an allocation by layers can give a ratio to.

    Attributes:
        layer: Path of the layer; its ratio goes to `glob.escape(layer)`.
        kind: Class of the layer.
        units: Weights, channels or heads in it.
        parameters, flops: As in `curves.Curve`.
        masks: Ratio -> weight path -> mask (True = kept), of the weights that lose something.
        steps: Whether there is more than one ratio.
        whole: The only ratio, where there are no steps.
    """

    layer: str
    kind: str
    units: int
    parameters: int
    flops: int | None
    masks: Callable[[float], dict[str, np.ndarray]]
    steps: bool = True
    whole: float = 1.0


def knobs(
    model: keras.Model,
    scores: Mapping[str, np.ndarray],
    target: TargetConfig,
    notices: list[str],
) -> list[Knob]:
    """The layers or groups of channels that a target's pattern, `include` and `exclude` leave.

    Args:
        model: A built model.
        scores: Weight path -> array of the weight's shape.
        target: How much it removes is not read.
        notices: Receives what was left out, and why.

    Raises:
        ValueError: If nothing is left.
    """
    if target.pattern in ("channel", "head"):
        return _of_groups(model, scores, target, notices)
    return _of_layers(model, scores, target)


def _of_layers(
    model: keras.Model, scores: Mapping[str, np.ndarray], target: TargetConfig
) -> list[Knob]:
    fixed = target.n_of_m
    plain = amount(target) if fixed else amount(target, ratio=0.5)
    chosen = scope(check_shapes(scores, describe(model)), plain)
    counted = _flops(model)
    zeros = masks_of_zeros(model)
    members: dict[str, dict[str, Layout]] = {}
    for path in (p for p in _order(model) if p in chosen):
        members.setdefault(chosen[path].layer, {})[path] = chosen[path]

    def knob(layer: str, layouts: dict[str, Layout]) -> Knob:
        own = {path: scores[path] for path in layouts}
        held = Masks({path: zeros[path] for path in layouts if path in zeros})
        exact = glob.escape(layer)

        def masks(ratio: float) -> dict[str, np.ndarray]:
            how = {} if fixed else {"allocation": {exact: ratio}}
            changed = amount(target, include=(), exclude=(), **how)
            found = select(own, changed, layers=layouts, zeros=held)
            return {path: found[path] for path in found if found.kept(path) < found.size(path)}

        size = sum(layout.size for layout in layouts.values())
        first = next(iter(layouts.values()))
        share = 1 - fixed[0] / fixed[1] if fixed else 1.0
        return Knob(layer, first.kind, size, size, counted.get(layer), masks, not fixed, share)

    return [knob(layer, layouts) for layer, layouts in members.items()]


def _of_groups(
    model: keras.Model,
    scores: Mapping[str, np.ndarray],
    target: TargetConfig,
    notices: list[str],
) -> list[Knob]:
    graph = analyse(model)
    notices += graph.notices
    groups = [
        group
        for group in graph.groups
        if group.kind == target.pattern
        and selected(names(graph, group), target.include, target.exclude)
    ]
    found: list[Knob] = []
    taken: set[str] = set()
    for group in groups:
        layer = next((x for x in group.layers if x not in taken), None)
        if layer is None:
            continue  # one glob already turns it
        taken.update(group.layers)
        exact = glob.escape(layer)
        mine = [g for g in groups if selected(names(graph, g), (exact,), ())]
        counts = [g.flops for g in mine]
        knob = Knob(
            layer=layer,
            kind=graph.trace.kinds[layer],
            units=sum(g.channels for g in mine),
            parameters=sum(g.parameters for g in mine),
            flops=None if None in counts else sum(c or 0 for c in counts),
            masks=_group_masks(graph, scores, target, exact),
        )
        if _is_scored(knob):
            found.append(knob)
        else:
            notices.append(f"{layer} has no scores, or too few channels to lose one.")
    if not found:
        raise ValueError(
            f"nothing of '{model.name}' can be cut by pattern {target.pattern}; secateur inspect "
            "tells what stays and why"
        )
    return found


def _group_masks(
    graph: Graph, scores: Mapping[str, np.ndarray], target: TargetConfig, exact: str
) -> Callable[[float], dict[str, np.ndarray]]:
    def masks(ratio: float) -> dict[str, np.ndarray]:
        removal = choose(
            graph,
            scores,
            allocation={exact: ratio},
            pooling=target.pooling,
            kinds=(target.pattern,),
            round_to=target.round_to,
            floor=target.floor,
            include=target.include,
            exclude=target.exclude,
        )
        if not removal.removed.any():
            return {}
        return {path: mask for path, mask in removal.masks.items() if not mask.all()}

    return masks


def _is_scored(knob: Knob) -> bool:
    return bool(knob.masks(1 - 1e-9))


def _order(model: keras.Model) -> list[str]:
    from secateur.models.weights import prunable_weights

    return [weight.path for weight in prunable_weights(model)]


def _flops(model: keras.Model) -> dict[str, int]:
    try:
        return flops(model)
    except ValueError:
        return {}
