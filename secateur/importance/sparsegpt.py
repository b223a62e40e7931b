"""SparseGPT: chooses the weights to remove layer by layer, and mends the weights that stay."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.gradients.passes import Passes
from secateur.importance.gradients.terms import Lookup, Product, Term, chunks
from secateur.importance.known import FEW, capture, misread_inputs, terms_apart
from secateur.importance.layerwise import Layer, layers
from secateur.importance.obs import Target, choose, never_seen, reconstruct
from secateur.importance.run import Run, unchanged
from secateur.models.weights import PrunableWeight, prunable_weights
from secateur.proof.scores import HALF

logger = logging.getLogger(__name__)

Method = Literal["sparsegpt", "wanda"]

_EXACT = 1 << 18  # weights up to which a layer is computed in double precision


class Reconstruction(NamedTuple):
    """What a method gives: new values and masks.

    Attributes:
        weights: Weight path -> array of the weight's shape and dtype, zero where it is removed.
        masks: Weight path -> boolean array, True = kept.
        notices: Sentences on what was left as it was, and why.
    """

    weights: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    notices: list[str]


def sparsegpt(
    model: keras.Model,
    data: Any,
    *,
    ratio: float | Mapping[str, float] | None = None,
    pattern: str | None = None,
    masks: Mapping[str, np.ndarray] | None = None,
    only: Collection[str] | None = None,
    examples: int | None = None,
    batch_size: int | None = None,
    damping: float = 0.01,
    seed: int = 0,
) -> Reconstruction:
    """Prunes a model layer by layer so that each layer's outputs change as little as possible.

    For each layer in the order in which the model runs, the Hessian XᵀX of the layer-wise squared
    error is taken over the calibration data, with the layers before it already pruned. Inputs are
    gone through one after the other: weights w with the smallest w² / [H⁻¹]_jj (H of the inputs
    still to come) go, and what they did is made up for by the weights of the inputs still to come.
    Weights of inputs that are zero in all examples go first; those that stay keep their values, and
    a notice says so. No labels and no gradients are needed. The model is left as it was; put the
    result in place by `apply`. With a `TargetConfig` in place of ratio or pattern,
    `secateur.sparsity.methods.rewrite` calls this.

    Source: Frantar & Alistarh 2023, "SparseGPT: massive language models can be accurately pruned
    in one-shot", algorithm 1.

    Args:
        model: A built Keras model.
        data: Calibration inputs, as for `secateur.importance.score`; labels are not looked at.
        ratio: Share of the weights to remove: of every weight, or by weight path (those that are
            not named are left alone). Exact to one weight in each.
        pattern: `n:m` keeps `n` of each `m` consecutive inputs of each output.
        masks: Fixed masks by weight path: nothing is chosen, only the weights that stay are mended.
        only: Paths of the weights to prune; None for all.
        examples: How many examples to use, at most.
        batch_size: Examples at a time; None chooses by the size of the activations.
        damping: Share of the Hessian's mean diagonal that is added to its diagonal.
        seed: Seed of the draw of `examples`.

    Returns:
        New weights, masks and notices.

    Raises:
        ValueError: Not exactly one of `ratio`, `pattern` and `masks`, or one that does not fit.
    """
    weights = prunable_weights(model)
    target = _target(weights, ratio, pattern, masks)
    if only is not None:
        target = {path: target[path] for path in target if path in only}
    if damping <= 0:
        raise ValueError(f"damping must be above 0, not {damping}.")
    run = Run(model, weights, data=data, examples=examples, batch_size=batch_size, seed=seed)
    before = {w.path: keras.ops.convert_to_numpy(w.variable.value) for w in weights}
    found = Reconstruction({}, {}, run.notices)
    try:
        for pruned in prune_layers(run, target, damping=damping):
            found.weights[pruned.path] = pruned.value
            found.masks[pruned.path] = pruned.mask
    finally:
        for weight in weights:
            weight.variable.assign(before[weight.path])
    return found


class Pruned(NamedTuple):
    """A weight that was pruned: its new value and its mask, both of the weight's shape."""

    path: str
    value: np.ndarray
    mask: np.ndarray


def prune_layers(
    run: Run, target: Mapping[str, Target], *, method: Method = "sparsegpt", damping: float = 0.01
) -> Iterator[Pruned]:
    """Prunes the model of a run in place, layer by layer, and yields each weight as it is done.

    Beside the model, only what belongs to one layer is in memory, and the examples' activations
    in front of it.

    Args:
        run: The model, its weights and the calibration data.
        target: Weight path -> what to remove of it.
        method: `sparsegpt`, or `wanda`: |w| ‖x‖₂ of inputs that come from pruned layers, as the
            paper does it, and what stays is left as it is.
        damping: Share of the Hessian's mean diagonal that is added to its diagonal.
    """
    left = set(target)
    with unchanged(run.model):
        known = _proved(run, left)
        for layer in layers(run, known):
            sums = _moments_of(layer, full=method == "sparsegpt")
            done = []
            for weight in layer.weights:
                if weight.path in sums:
                    moments, wanted = sums.pop(weight.path), target[weight.path]
                    pruned = _pruned(weight, moments, wanted, method, damping)
                    if method == "sparsegpt" and wanted.mask is None:
                        _tell_unseen(run, moments, pruned)
                    done.append((weight, pruned))
            for weight, pruned in done:
                weight.variable.assign(pruned.value)
                left.discard(pruned.path)
            for _, pruned in done:
                yield pruned
    if left:
        name = "SparseGPT" if method == "sparsegpt" else "Wanda"
        run.note(f"{name} does not know the inputs of {', '.join(sorted(left))}: left as it was.")


def _proved(run: Run, wanted: set[str]) -> set[str]:
    """The weights whose inputs are known, seen layer by layer as in the model as a whole."""
    part = run.only([w for w in run.weights if w.path in wanted])
    known = wanted - misread_inputs(part)
    batch = run.first(FEW)
    whole = Passes(part).terms(capture(part, batch))
    few = Run(run.model, part.weights, data=(batch.x, None))
    apart = {w.path: np.inf for w in part.weights if w.path in known and id(w.variable) in whole}
    for layer in layers(few, known):
        seen: dict[int, list[Term]] = defaultdict(list)
        for terms in layer.inputs():
            for key, found in terms.items():
                seen[key] += found
        for weight in layer.weights:
            key = id(weight.variable)
            apart[weight.path] = terms_apart(seen[key], whole[key])
    unlike = sorted(path for path, difference in apart.items() if difference > HALF)
    if unlike:
        run.note(
            f"Run by itself, the layer of {', '.join(unlike)} sees other inputs than in the model."
        )
    return known - set(unlike)


def apply(model: keras.Model, found: Reconstruction) -> None:
    """Puts the new weights into the model."""
    for weight in prunable_weights(model):
        if weight.path in found.weights:
            weight.variable.assign(found.weights[weight.path])


def _target(
    weights: list[PrunableWeight],
    ratio: float | Mapping[str, float] | None,
    pattern: str | None,
    masks: Mapping[str, np.ndarray] | None,
) -> dict[str, Target]:
    if sum(given is not None for given in (ratio, pattern, masks)) != 1:
        raise ValueError("Give exactly one of ratio, pattern and masks.")
    shapes = {w.path: tuple(w.variable.shape) for w in weights}
    for given in (ratio, masks):
        unknown = [p for p in given if p not in shapes] if isinstance(given, Mapping) else []
        if unknown:
            raise ValueError(f"The model has no prunable weight {', '.join(unknown)}.")
    if masks is not None:
        for path, mask in masks.items():
            if mask.shape != shapes[path]:
                raise ValueError(
                    f"The mask of {path!r} has shape {mask.shape}, the weight {shapes[path]}."
                )
        return {path: Target(mask=np.asarray(mask, bool)) for path, mask in masks.items()}
    if pattern is not None:
        match = re.fullmatch(r"(\d+):(\d+)", pattern)
        if not match or not 1 <= int(match[1]) < int(match[2]):
            raise ValueError(f"pattern must be n:m with 1 <= n < m, such as 2:4, not {pattern!r}.")
        return {path: Target(kept=int(match[1]), group=int(match[2])) for path in shapes}
    ratios = ratio if isinstance(ratio, Mapping) else dict.fromkeys(shapes, float(ratio or 0.0))
    for path, share in ratios.items():
        if not 0 <= share < 1:
            raise ValueError(f"ratio must be at least 0 and below 1, not {share} ({path}).")
    return {path: Target(ratio=share) for path, share in ratios.items()}


def _pruned(
    weight: PrunableWeight, moments: _Moments, target: Target, method: Method, damping: float
) -> Pruned:
    before = keras.ops.convert_to_numpy(weight.variable.value)
    if method == "wanda":
        value, mask = _select(before, moments, target)
    else:
        value, mask = _prune(before, moments, target, damping)
    return Pruned(weight.path, value.astype(before.dtype, copy=False), mask)


def _tell_unseen(run: Run, moments: _Moments, pruned: Pruned) -> None:
    if isinstance(moments.term, Lookup):
        return
    assert isinstance(moments.term, Product)
    unseen = never_seen(moments.values)
    kept = moments.term.layout.inverse(pruned.mask, moments.term.sizes[2:])
    if kept[unseen].any() and not kept.all():
        count = int(unseen.sum())
        run.note(
            f"{count} {'input' if count == 1 else 'inputs'} of {pruned.path} "
            f"{'is' if count == 1 else 'are'} zero in all examples: weights behind "
            f"{'it' if count == 1 else 'them'} went first, and those that stay keep their values "
            "(the code of SparseGPT's paper sets them to zero)."
        )


class _Moments(NamedTuple):
    """What is known of a weight's inputs, summed over the examples.

    Attributes:
        term: Of one call; how the weight becomes a matrix.
        values: XᵀX (groups, inputs, inputs), float64, or its diagonal (groups, inputs); of a
            lookup, how often each row is looked up.
    """

    term: Term
    values: np.ndarray


def _moments_of(layer: Layer, full: bool) -> dict[str, _Moments]:
    """The moments of the inputs of each weight of a layer."""
    sums: dict[str, _Moments] = {}
    for terms in layer.inputs():
        for weight in layer.weights:
            for term in terms.get(id(weight.variable), ()):
                if isinstance(term, Product) and term.backwards:
                    continue
                if weight.path in sums:
                    _add_moments(sums[weight.path].values, term, full)
                else:
                    sums[weight.path] = _Moments(term, _new_moments(term, full))
                    _add_moments(sums[weight.path].values, term, full)
    return sums


def _new_moments(term: Term, full: bool) -> np.ndarray:
    if isinstance(term, Lookup):
        return np.zeros(term.table)
    assert isinstance(term, Product)
    groups, inputs = term.sizes[2:4]
    return np.zeros((groups, inputs, inputs) if full else (groups, inputs))


def _add_moments(sums: np.ndarray, term: Term, full: bool) -> None:
    if isinstance(term, Lookup):
        sums += np.bincount(term.rows.numpy().reshape(-1), minlength=term.table)
        return
    assert isinstance(term, Product)
    for low, high in chunks(term.examples, term.positions_cost):
        left = term.left(low, high)
        left = tf.reshape(left, [-1, *left.shape[2:]])
        if full:
            sums += tf.einsum("ngi,ngj->gij", left, left).numpy()
        else:
            sums += tf.reduce_sum(tf.square(left), 0).numpy()


def _prune(
    value: np.ndarray, hessian: _Moments, target: Target, damping: float
) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(hessian.term, Lookup):
        # Rows are never looked up together, so nothing can be made up for: the Hessian is diagonal.
        if target.mask is not None:
            return value * target.mask, target.mask
        counts = np.sqrt(hessian.values + 1e-12)
        kept = choose(_saliency(value, counts)[None], target, len(value), _one(target.free))[0]
        return value * kept, kept
    assert isinstance(hessian.term, Product)
    layout = hessian.term.layout
    matrix = layout.inverse(value, hessian.term.sizes[2:])
    fixed = None if target.mask is None else layout.inverse(target.mask, hessian.term.sizes[2:])
    free = None if target.free is None else layout.inverse(target.free, hessian.term.sizes[2:])
    run_length = _run_length(value.shape, hessian.term.sizes)
    precision = np.float64 if value.size <= _EXACT else np.float32
    new, kept = reconstruct(
        matrix, hessian.values, target, damping, run_length, fixed, free, precision=precision
    )
    return layout.array(new), layout.array(kept)


def _select(value: np.ndarray, squares: _Moments, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Wanda: the weights with the lowest |w| ‖x‖₂ go, and nothing is made up for."""
    term, norms = squares.term, np.sqrt(squares.values)
    if isinstance(term, Lookup):
        kept = choose(_saliency(value, norms)[None], target, len(value), _one(target.free))[0]
    else:
        assert isinstance(term, Product)
        matrix = term.layout.inverse(value, term.sizes[2:])
        free = None if target.free is None else term.layout.inverse(target.free, term.sizes[2:])
        run_length = _run_length(value.shape, term.sizes)
        kept = term.layout.array(choose(_saliency(matrix, norms), target, run_length, free))
    return value * kept, kept


def _one(free: np.ndarray | None) -> np.ndarray | None:
    """As one group."""
    return None if free is None else free[None]


def _saliency(matrix: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """|w| ‖x‖₂, (…, inputs, outputs), of norms (…, inputs)."""
    saliency = np.abs(matrix, dtype=np.float32)
    saliency *= norms[..., None].astype(np.float32)
    return saliency


def _run_length(shape: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """How many inputs follow each other before the next tap of a convolution's window begins."""
    _, _, groups, inputs, outputs = sizes
    channels = shape[-2]
    convolution = len(shape) > 2 and channels < inputs and inputs % channels == 0
    return channels if convolution and shape[-1] == groups * outputs else inputs
