"""Methods: they choose the weights to remove and rewrite those that stay, in one go."""

from __future__ import annotations

import logging
from typing import Any

import keras

from secateur.importance.sparsegpt import Reconstruction, apply, sparsegpt
from secateur.models.weights import content_digest
from secateur.sparsity.combine import check_combination
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout, describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.scope import layer_ratios, scope
from secateur.sparsity.weights import Amount, removable, share_out

logger = logging.getLogger(__name__)


def rewrite(
    model: keras.Model,
    data: Any,
    target: TargetConfig,
    *,
    examples: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> Masks:
    """Prunes `model` in place by SparseGPT: a method, `(model, data, target) -> weights, masks`.

    The target gives each layer its ratio (`allocation` uniform, erk or a mapping) or is N:M. In the
    rounds of an iterative target the weights are chosen anew each time, so that one may come back.

    Args:
        model: A built Keras model; its weights are replaced.
        data: Calibration inputs, as for `secateur.importance.score`; labels are not looked at.
        target: How much to remove, and where; its schedule is not acted on.
        examples: How many examples to use, at most.
        batch_size: Examples at a time; None chooses by the size of the activations.
        seed: Seed of the draw of `examples`.

    Returns:
        Masks of the pruned weights, with the digest of the model as it was given.

    Raises:
        ValueError: If the target cannot be met by a method, or selects nothing.
    """
    check_combination("sparsegpt", target)
    layouts, notices = scope(describe(model), target), list[str]()
    digest = content_digest(model)
    ratios = None if target.n_of_m else _ratios(layouts, target, notices)
    found: Reconstruction = sparsegpt(
        model,
        data,
        ratio=ratios,
        pattern=target.pattern if target.n_of_m else None,
        only=set(layouts),
        examples=examples,
        batch_size=batch_size,
        seed=seed,
    )
    if not found.masks:
        raise ValueError(f"sparsegpt can prune no weight of this model: {' '.join(found.notices)}")
    apply(model, found)
    masks = Masks(found.masks, digest)
    notices += found.notices
    if target.ratio is None:
        notices.append(f"the target comes to a ratio of {masks.sparsity():.4f}")
    for notice in notices:
        logger.info(notice)
    return Masks(found.masks, digest, notices)


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
