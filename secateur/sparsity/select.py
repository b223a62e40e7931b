"""Selection: scores and a target become masks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from secateur.sparsity import units as whole
from secateur.sparsity import weights as single
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.cut import Source
from secateur.sparsity.layout import Layout, check_shapes
from secateur.sparsity.masks import Masks, both
from secateur.sparsity.pattern import Units, n_of_m_mask, pool, spread, unview, view, view_shape
from secateur.sparsity.scope import layer_ratios, scope

logger = logging.getLogger(__name__)


def select(
    scores: Mapping[str, np.ndarray],
    target: TargetConfig,
    *,
    layers: Mapping[str, Layout] | None = None,
    model_digest: str = "",
    within: Masks | None = None,
    zeros: Masks | None = None,
) -> Masks:
    """Masks of the weights that stay.

    The weights with the lowest scores go; of equal scores those that come first, by the sorted
    paths of the weights and then by their place in the weight. So equal scores give equal masks, in
    whatever order they arrive, and the masks of a larger ratio remove what those of a smaller one
    remove. `ratio` counts the weights that `include` and `exclude` select; other weights get no
    mask.

    The schedule is not acted on: `secateur.sparsity.schedule` gives the targets of single rounds
    and steps.

    Args:
        scores: Weight path -> array of scores in the weight's shape, finite and not negative. May
            have `notices`, which are passed on.
        target: How much to remove, where, and in which pattern.
        layers: `secateur.sparsity.layout.describe(model)`. Without it the layers' types are
            unknown, and the last two axes of a weight are taken as inputs and outputs.
        model_digest: `content_digest` of the model whose weights were scored.
        within: Masks of an earlier round. What they removed stays removed and counts.
        zeros: `secateur.sparsity.zeros.masks_of_zeros(model)`, of a model that may have been pruned
            before. Its zeros go first, whatever their scores, and count, and stay masked where the
            target selects nothing; not read if the target says `regrow`.

    Returns:
        Masks of the selected weights, with notices on what was skipped, floored or not met.

    Raises:
        ValueError: If the scores cannot be ranked or do not fit the model, or if a glob of the
            target matches nothing.
    """
    target = target.settled("")  # what the scores are is not known here
    notices = list(getattr(scores, "notices", ()))
    if not scores:
        raise ValueError(
            "there are no scores to select by: " + (" ".join(notices) or "the criterion gave none")
        )
    scored = check_shapes(scores, layers)
    known = {path: layout.shape for path, layout in (layers or scored).items()}
    layouts = scope(scored, target)
    zeros = None if target.regrow else zeros
    for given in (within, zeros):
        if given is not None:
            given.check(known)
    taken = both(within, zeros) or Masks({})
    _say_zeros(zeros, within, taken, layouts, target, notices)
    sources = [
        Source(path, scores[path], taken.bits(path) if path in taken else None) for path in layouts
    ]
    if target.pattern != "weight":  # single weights are checked while they are gone through
        for source in sources:
            source.check()
    shown = len(notices)
    if target.n_of_m:
        bits = _n_of_m(sources, layouts, target.n_of_m, notices)
    elif target.pattern == "weight":
        bits = _weights(sources, list(layouts.values()), target, notices)
    else:
        bits = _units(sources, layouts, target, notices)
    packed = {
        source.name: (layouts[source.name].shape, some)
        for source, some in zip(sources, bits, strict=True)
    }
    if target.ratio is None:
        masks = Masks.from_packed(packed)
        removed = masks.size() - masks.kept()
        notices.append(
            f"{_amount(target)} removes {removed} of {masks.size()} weights: a ratio of "
            f"{masks.sparsity():.4f}"
        )
    for notice in notices[shown:]:
        logger.info(notice)
    packed |= {path: (taken.shape(path), taken.bits(path)) for path in taken if path not in packed}
    return Masks.from_packed(packed, model_digest, notices)


def _say_zeros(
    zeros: Masks | None,
    within: Masks | None,
    taken: Masks,
    layouts: Mapping[str, Layout],
    target: TargetConfig,
    notices: list[str],
) -> None:
    """Tells of zeros that no earlier round made, and where they are more than was asked for."""
    if zeros is None:
        return
    notices += zeros.notices
    before = within.size() - within.kept() if within else 0
    found = taken.size() - taken.kept() - before
    if not found:
        return
    notices.append(
        f"{found} weights were zero before anything was pruned; they stay zero and count among the "
        "removed (target.regrow frees them)"
    )
    total = sum(layout.size for layout in layouts.values())
    gone = sum(taken.size(path) - taken.kept(path) for path in layouts if path in taken)
    if target.ratio is not None and gone > round(target.ratio * total):
        notices.append(
            f"ratio {target.ratio:g} asks for {round(target.ratio * total)} of {total} weights, "
            f"and {gone} were zero before: where they are enough, nothing more is removed"
        )


def _amount(target: TargetConfig) -> str:
    for name in ("threshold", "quantile"):
        if getattr(target, name) is not None:
            return f"{name} {getattr(target, name):g}"
    return f"pattern {target.pattern}" if target.n_of_m else "the allocation by layers"


def _weights(
    sources: Sequence[Source], layouts: Sequence[Layout], target: TargetConfig, notices: list[str]
) -> list[np.ndarray]:
    floor = target.floor
    if isinstance(target.allocation, dict):
        ratios = layer_ratios(
            {source.name: x for source, x in zip(sources, layouts, strict=True)}, target.allocation
        )
        return single.by_layer(sources, ratios, floor, notices)
    if target.threshold is not None:
        return single.by_threshold(sources, target.threshold, floor, notices)
    if target.quantile is not None:
        uniform = target.allocation == "uniform"
        return single.by_quantile(sources, target.quantile, uniform, floor, notices)
    assert target.ratio is not None
    return single.by_ratio(sources, layouts, target.allocation, target.ratio, floor, notices)


def _n_of_m(
    sources: Sequence[Source],
    layouts: Mapping[str, Layout],
    sizes: tuple[int, int],
    notices: list[str],
) -> list[np.ndarray]:
    n, m = sizes
    masks = []
    for source in sources:
        layout = layouts[source.name]
        _say_guessed(layout, source.name, notices)
        scores = source.flat.reshape(layout.shape)
        free = _unpack(source.within, layout)
        if free is not None:
            scores = np.where(free, scores.astype(source.dtype), -1)
        seen = view(scores, layout)
        short = seen.shape[1] % m
        if short:
            notices.append(
                f"{source.name} has {seen.shape[1]} inputs, no multiple of {m}: its last groups "
                f"have {short} and keep {'all' if short <= n else n} of them"
            )
        mask = unview(n_of_m_mask(seen, n, m), layout)
        if free is not None:
            mask = mask & free
        masks.append(np.packbits(mask))
    return masks


def _units(
    sources: Sequence[Source],
    layouts: Mapping[str, Layout],
    target: TargetConfig,
    notices: list[str],
) -> list[np.ndarray]:
    block = target.block
    members: dict[str, list[Source]] = {}
    for source in sources:
        layout = layouts[source.name]
        _say_guessed(layout, source.name, notices)
        members.setdefault((layout.group if not block else "") or source.name, []).append(source)
        if block:
            _say_remainders(view_shape(layout), block, source.name, notices)
    groups = [
        pool(
            [source.flat.reshape(layouts[source.name].shape) for source in some],
            [_unpack(source.within, layouts[source.name]) for source in some],
            [layouts[source.name] for source in some],
            block,
            target.pooling,
            some[0].name,
        )
        for some in members.values()
    ]
    spans = [sum(sum(layouts[s.name].shape) for s in some) for some in members.values()]
    shares = [span / units.total for span, units in zip(spans, groups, strict=True)]
    kept = _choose(groups, [layouts[units.name] for units in groups], shares, target, notices)
    bits = {}
    for some, stays in zip(members.values(), kept, strict=True):
        for source in some:
            layout = layouts[source.name]
            mask = spread(stays, layout, block)
            free = _unpack(source.within, layout)
            bits[source.name] = np.packbits(mask if free is None else mask & free)
    return [bits[source.name] for source in sources]


def _choose(
    groups: Sequence[Units],
    layouts: Sequence[Layout],
    shares: Sequence[float],
    target: TargetConfig,
    notices: list[str],
) -> list[np.ndarray]:
    floor = target.floor
    if isinstance(target.allocation, dict):
        ratios = layer_ratios(
            {units.name: x for units, x in zip(groups, layouts, strict=True)}, target.allocation
        )
        return whole.by_layer(groups, ratios, floor, notices)
    if target.threshold is not None:
        return whole.by_threshold(groups, target.threshold, floor, notices)
    if target.quantile is not None:
        uniform = target.allocation == "uniform"
        return whole.by_quantile(groups, target.quantile, uniform, floor, notices)
    assert target.ratio is not None
    if target.allocation != "erk":
        shares = [1.0] * len(groups)
    return whole.by_ratio(groups, shares, target.allocation, target.ratio, floor, notices)


def _say_guessed(layout: Layout, path: str, notices: list[str]) -> None:
    if not layout.known and layout.kind:
        notices.append(
            f"{path} belongs to a {layout.kind}, a type of layer that is not known; its last two "
            "axes were taken as inputs and outputs"
        )


def _say_remainders(
    shape: tuple[int, ...], block: tuple[int, int], path: str, notices: list[str]
) -> None:
    _, inputs, outputs = shape
    if inputs % block[0] or outputs % block[1]:
        notices.append(
            f"{path} is {inputs}x{outputs}, no multiple of {block[0]}x{block[1]}: the blocks at "
            "its edges are smaller"
        )


def _unpack(bits: np.ndarray | None, layout: Layout) -> np.ndarray | None:
    if bits is None:
        return None
    return np.unpackbits(bits, count=layout.size).view(np.bool_).reshape(layout.shape)
