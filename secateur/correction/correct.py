"""Layer by layer, the pruned model is made to give what the dense one gave."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras
import numpy as np

from secateur.correction import least_squares
from secateur.correction.outputs import Kept, Site, own_weights, rows, sites
from secateur.importance.gradients.forms import einsum_axes
from secateur.importance.known import misread_inputs
from secateur.importance.run import Run, unchanged
from secateur.proof.record import Check
from secateur.sparsity.masks import Masks
from secateur.structure.recalibration import remeasure

logger = logging.getLogger(__name__)

_ROWS_PER_INPUT = 100
"""Rows for each input of a layer after which more change little; convolutions have many …"""
_LEAST_EXAMPLES = 512
"""… of each example, and those are alike."""
_GRAM_BYTES = 1 << 29
"""Of the matrix XᵀX; a layer with a larger one gets its bias corrected alone."""


def correct(
    model: keras.Model,
    dense: keras.Model,
    data: Any,
    *,
    method: str = "least_squares",
    masks: Masks | None = None,
    kept: Kept | None = None,
    batch_norm: bool = True,
    examples: int | None = 2048,
    batch_size: int | None = None,
    damping: float = 1e-3,
    seed: int = 0,
    checks: list[Check] | None = None,
) -> list[str]:
    """Mends a pruned model in place, on inputs alone: no labels, no gradients, no training.

    Layers are gone through in the order in which they run. Each sees the inputs that the layers
    before it, already mended, give, and aims at the output (before its activation) that it has in
    the dense model. With `bias` the mean of what is missing goes into the bias, so that what a
    removed unit gave on average is not lost (Nagel et al. 2019, "Data-free quantization", 4.2);
    with `least_squares` the weights that stay, and the bias, are fitted anew. At the end the
    statistics of BatchNormalization are measured on the mended model.

    Zeros stay zero. Memory does not grow with the number of examples.

    Args:
        model: A built model, pruned: masked, or cut from `dense`.
        dense: The model it was made of; it is not changed.
        data: Calibration inputs, as for `secateur.importance.score`; labels are not looked at.
        method: `none` (BatchNormalization alone), `bias` or `least_squares`.
        masks: Masks of the model, True = kept; weights without one are fitted whole.
        kept: For a cut model what is left of the dense one's weights (`structure.Pruned.kept`).
        batch_norm: Whether BatchNormalization is measured anew.
        examples: How many examples to use, at most; None for all. Layers that see many positions
            of each, such as convolutions, get by with 512.
        batch_size: Examples at a time; None chooses by the size of the activations.
        damping: Share of the mean diagonal of XᵀX that holds weights where they are, above 0.
        seed: Seed of the draw of `examples`.
        checks: Takes what was proved on some of the examples.

    Returns:
        Sentences on what was left as it was, and why.

    Raises:
        ValueError: If an argument is not one of those above.
    """
    if method not in ("none", "bias", "least_squares"):
        raise ValueError(f"method is {method!r}; use none, bias or least_squares.")
    if damping <= 0:
        raise ValueError(f"damping must be above 0, not {damping}.")
    notices: list[str] = []
    if method != "none":
        options: dict[str, Any] = {"data": data, "examples": examples, "seed": seed}
        pruned = Run(model, own_weights(model), batch_size=batch_size, **options)
        whole = Run(dense, own_weights(dense), batch_size=batch_size, **options)
        with unchanged(model), unchanged(dense):
            misread = misread_inputs(pruned) | misread_inputs(whole)
            seen = pruned.only([w for w in pruned.weights if w.path not in misread])
            found, unknown = sites(seen, whole, kept or {})
            for site in found:
                _mend(site, pruned, whole, masks, method, damping, notices)
        notices += dict.fromkeys((*pruned.notices, *whole.notices))
        if checks is not None:
            checks += (*pruned.checks, *whole.checks)
        if unknown:
            notices.append(
                f"Left as pruned, because their outputs are no plain product of their inputs: "
                f"{', '.join(unknown)}."
            )
    if batch_norm:
        notices += remeasure(model, lambda: data, examples=examples, seed=seed).notices
    for notice in notices:
        logger.info(notice)
    return notices


def _mend(
    site: Site,
    pruned: Run,
    dense: Run,
    masks: Masks | None,
    method: str,
    damping: float,
    notices: list[str],
) -> None:
    weight, layer = site.pruned, site.pruned.layer
    _, _, groups, inputs, outputs = site.term.sizes
    bias = getattr(layer, "bias", None)
    if bias is not None and not _is_for_each_output(layer, groups * outputs):
        notices.append(f"{weight.path} was left as pruned: its bias is not one for each output.")
        return
    products = method == "least_squares" and 8 * groups * (inputs + 1) ** 2 <= _GRAM_BYTES
    if method == "least_squares" and not products:
        notices.append(
            f"{weight.path} has {inputs:,} inputs, too many to be fitted in memory: only its bias "
            "was corrected."
        )
    if bias is None and not products:
        return
    moments = least_squares.Moments(groups, inputs, outputs, products=products)
    limit = max(_LEAST_EXAMPLES, _ROWS_PER_INPUT * inputs // site.term.sizes[1])
    for x, y in rows(site, pruned, dense, limit=limit):
        moments.add(x, y)
    if not (np.isfinite(moments.gram).all() and np.isfinite(moments.cross).all()):
        notices.append(f"{weight.path} was left as pruned: its inputs or outputs are not finite.")
        return
    old = site.term.layout.inverse(_value(weight.variable), site.term.sizes[2:])
    shift = None if bias is None else _value(bias).reshape(groups, outputs)
    if products:
        mask = np.ones(old.shape, bool)
        if masks is not None and weight.path in masks:
            mask = site.term.layout.inverse(masks[weight.path], site.term.sizes[2:])
        new, shift = least_squares.fit(moments, old, mask, shift, damping)
        weight.variable.assign(site.term.layout.array(new))
    elif shift is not None:
        shift = shift + moments.missing(old, shift)
    if bias is not None and shift is not None:
        bias.assign(shift.reshape(bias.shape))


def _is_for_each_output(layer: Any, outputs: int) -> bool:
    """Whether the bias of a layer trains, and has one number an output in the kernel's order."""
    if not layer.bias.trainable or math.prod(layer.bias.shape) != outputs:
        return False
    if not isinstance(layer, keras.layers.EinsumDense):
        return True
    inputs, kernel, made = einsum_axes(layer.equation)
    order = [a for a in kernel if a in inputs and a in made]
    order += [a for a in kernel if a not in inputs and a in made]
    return [a for a in made if a in kernel] == order


def _value(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable.value).astype(np.float64)
