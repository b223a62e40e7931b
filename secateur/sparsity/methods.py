"""Methods: they choose the weights to remove and rewrite those that stay, in one go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from secateur.importance.memory import give_back
from secateur.importance.obs import Target
from secateur.importance.run import Run
from secateur.importance.sparsegpt import Method, prune_layers
from secateur.models.weights import content_digest, left_alone, prunable_weights
from secateur.proof.record import Check
from secateur.sparsity.combine import check_combination
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout, describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.scope import layer_ratios, scope
from secateur.sparsity.weights import Amount, removable, share_out
from secateur.sparsity.zeros import masks_of_zeros

logger = logging.getLogger(__name__)


def rewrite(
    model: keras.Model,
    data: Any,
    target: TargetConfig,
    *,
    method: Method = "sparsegpt",
    examples: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    checks: list[Check] | None = None,
    within: Masks | None = None,
) -> Masks:
    """Prunes `model` in place by a method, `(model, data, target) -> weights, masks`.

    The model is gone through layer by layer: beside it, one layer's statistics and the examples'
    activations are in memory, so that a model may be nearly as large as the memory there is.

        masks = rewrite(model, (x, None), TargetConfig(pattern="2:4"), method="wanda")

    The target gives each layer its ratio (`allocation` uniform, erk or a mapping) or is N:M. With
    `wanda` and a ratio, `allocation` auto or output compares the weights of each output with each
    other, as its paper does; the others compare those of a layer. In the rounds
    of an iterative target the weights are chosen anew each time, so that one may come back.

    Args:
        model: A built Keras model; its weights are replaced.
        data: Calibration inputs, as for `secateur.importance.score`; labels are not looked at.
        target: How much to remove, and where; its schedule is not acted on.
        method: `sparsegpt`, or `wanda`, which scores each layer with the layers before it pruned
            and changes none of the weights that stay.
        examples: How many examples to use, at most.
        batch_size: Examples at a time; None chooses by the size of the activations.
        seed: Seed of the draw of `examples`.
        progress: Told after each weight how many are done, and of how many.
        checks: Takes what was proved on some of the examples.
        within: Masks of an earlier round. What they removed may come back; other zeros that the
            model comes with stay zero and count, unless the target says `regrow`.

    Returns:
        Masks of the pruned weights, with the digest of the model as it was given.

    Raises:
        ValueError: If the target cannot be met by a method, or selects nothing.
    """
    if method == "wanda":
        target = target.settled("wanda")
    by_output = target.allocation == "output"
    named = target.model_copy(update={"allocation": "uniform"}) if by_output else target
    check_combination("sparsegpt", target if method == "sparsegpt" else named)
    layouts, notices = scope(describe(model), target), list[str]()
    digest = content_digest(model)
    if target.n_of_m:
        kept, group = target.n_of_m
        wanted = {path: Target(kept=kept, group=group) for path in layouts}
    else:
        ratios = _ratios(layouts, target, notices)
        wanted = {
            path: Target(ratio=ratios[path], by_output=by_output)
            for path in layouts
            if path in ratios
        }
    held = _zeros(model, target, within, notices)
    wanted = {
        path: x._replace(free=held[path]) if path in held else x for path, x in wanted.items()
    }
    weights = prunable_weights(model)
    run = Run(model, weights, data=data, examples=examples, batch_size=batch_size, seed=seed)
    packed: dict[str, tuple[tuple[int, ...], np.ndarray]] = {}
    for path, value, mask in prune_layers(run, wanted, method=method):
        packed[path] = (value.shape, np.packbits(mask.reshape(-1)))
        give_back()
        if progress:
            progress(len(packed), len(wanted))
    notices += [*run.notices, *left_alone(model)]
    packed |= {p: (held.shape(p), held.bits(p)) for p in held if p not in packed}
    if checks is not None:
        checks += run.checks
    if not packed:
        raise ValueError(f"{method} can prune no weight of this model: {' '.join(notices)}")
    if target.ratio is None:
        share = Masks.from_packed(packed).sparsity()
        notices.append(f"the target comes to a ratio of {share:.4f}")
    for notice in notices:
        logger.info(notice)
    return Masks.from_packed(packed, digest, notices)


def _zeros(
    model: keras.Model, target: TargetConfig, within: Masks | None, notices: list[str]
) -> Masks:
    """Masks of the zeros that the model was given with, and not by an earlier round."""
    if target.regrow:
        return Masks({})
    zeros = masks_of_zeros(model)
    notices += zeros.notices
    held = {}
    for path, mask in zeros.items():
        mask = mask | ~within[path] if within and path in within else mask
        if not mask.all():
            held[path] = mask
    if held:
        count = sum(int(np.count_nonzero(~mask)) for mask in held.values())
        notices.append(
            f"{count} weights were zero before anything was pruned; they stay zero and count among "
            "the removed (target.regrow frees them)"
        )
    return Masks(held)


def _ratios(
    layouts: dict[str, Layout], target: TargetConfig, notices: list[str]
) -> dict[str, float]:
    if isinstance(target.allocation, dict):
        wanted = layer_ratios(layouts, target.allocation)
        return {
            path: min(ratio, max(0.0, 1 - target.floor / layouts[path].size))
            for path, ratio in wanted.items()
        }
    assert target.ratio is not None
    amounts = [Amount(path, layout.size, layout.size) for path, layout in layouts.items()]
    count = removable(amounts, target.ratio, target.floor, notices)
    kept = share_out(
        amounts, list(layouts.values()), target.allocation, count, target.floor, notices
    )
    return {
        amount.name: (amount.total - number) / amount.total
        for amount, number in zip(amounts, kept, strict=True)
    }
