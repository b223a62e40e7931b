"""What was zeroed as a whole channel is really gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import graph_of
from secateur.models import strided
from secateur.models.weights import flat_layers, weight_paths
from secateur.proof.cuts import prove_cut
from secateur.proof.record import Check
from secateur.sparsity.masks import Masks
from secateur.structure.cutting import cut, slicer
from secateur.structure.dependency import analyse
from secateur.structure.zeros import dead


@dataclass(frozen=True)
class Cut:
    """A model that was made smaller.

    Attributes:
        model: The new model.
        notices: What was floored, left out or not reached, and why.
        widths: Layer -> width before and after; a layer that went has 0 after. The heads of
            attention and the widths inside them are named `layer (heads)`, `layer (head width)`.
        masks: Masks of the new model's weights, where masks were given.
        kept: Weight path -> axis -> positions that are left of it in the original; axes that are
            not named are whole. Of `remove_least` alone.
        checks: What was proved of the new model.
    """

    model: keras.Model
    notices: list[str]
    widths: dict[str, tuple[int, int]]
    masks: Masks | None = field(default=None, repr=False)
    kept: dict[str, dict[int, np.ndarray]] = field(default_factory=dict, repr=False)
    checks: tuple[Check, ...] = ()


def shrink(model: keras.Model, masks: Masks | Mapping[str, np.ndarray]) -> keras.Model:
    """Removes the channels that masks leave nothing of; what is left computes the same.

    A channel goes if all weights that read it are masked, or if all kernels that make it are, and
    what is then left of it, a constant, is zero or can be added to the biases of its readers.

    Args:
        model: A built Functional or Sequential model; its masked weights need not be zero yet.
        masks: Weight path -> mask, True = kept (`sparsity.select`).

    Returns:
        A new model whose outputs equal those of the masked model; the old one is untouched.

    Raises:
        ValueError: If the model is subclassed or not built, or the masks are not its own.
    """
    return shrink_masked(model, masks).model


def shrink_masked(
    model: keras.Model,
    masks: Masks | Mapping[str, np.ndarray],
    *,
    empty: bool = False,
    data: Any = None,
) -> Cut:
    """As `shrink`, and also gives the widths, the notices and the masks of the new model.

    With `empty` only channels that came out all zero go: no kernel makes them any more. That the
    new model computes the same is proved on `data`, `(x, …)`, or on generated examples.
    """
    variables = dict(weight_paths(model))
    held = masks if isinstance(masks, Masks) else Masks(masks)
    held.check({path: tuple(v.shape) for path, v in variables.items()})
    graph = analyse(model)
    if any(_stray(variables[path], held[path]) for path in held):
        model = cut(graph, np.zeros(graph.units, bool))
        for path, variable in weight_paths(model):
            if path in held:
                variable.assign(keras.ops.convert_to_numpy(variable.value) * held[path])
        graph = analyse(model)
        variables = dict(weight_paths(model))
    removal = dead(graph, held, empty=empty)
    small = cut(graph, removal.removed, removal.additions)
    check = prove_cut(model, small, {}, data)
    keep = graph.keeping(removal.removed)
    left = {path: slicer(graph, variables[path], keep)(held[path]) for path in held}
    unknown = graph.notices if removal.removed.any() else []
    return Cut(
        small,
        [*unknown, *removal.notices, *strided.notices(flat_layers(small))],
        removal.layer_widths,
        Masks(left, held.model_digest, held.notices),
        checks=(check,),
    )


def shrink_where_possible(
    model: keras.Model, masks: Masks, *, empty: bool = False, data: Any = None
) -> Cut:
    """As `shrink_masked`, but a model that nothing can be removed from comes back as it is.

    The model's masked weights have to be zero already. Where it is subclassed a notice says that
    its channels stay.
    """
    if graph_of(model) is None:
        notice = (
            f"'{model.name}' is not a Functional or Sequential model, so channels without a weight "
            "left stay in it."
        )
        return Cut(model, [notice], {}, masks)
    removal = dead(analyse(model), masks, empty=empty)
    if not removal.removed.any():
        return Cut(model, removal.notices, {}, masks)
    return shrink_masked(model, masks, empty=empty, data=data)


def _stray(variable: keras.Variable, mask: np.ndarray) -> bool:
    return bool(np.any(keras.ops.convert_to_numpy(variable.value)[~mask]))


def width_changes(widths: Mapping[str, tuple[int, int]]) -> list[str]:
    """One sentence with the widths that changed, or none."""
    changed = [
        f"{name} {before} -> {after}" if after else f"{name} removed"
        for name, (before, after) in widths.items()
        if before != after
    ]
    return [f"Widths: {', '.join(changed)}."] if changed else []
