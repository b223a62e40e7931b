"""How many weights each kernel loses, and the masks that follow, where weights stand alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from secateur.importance.outputs import smallest_of_outputs
from secateur.sparsity.allocation import apportion, erk_shares, lamp_scores
from secateur.sparsity.cut import Cut, Cutter, Source, find_cut, pack
from secateur.sparsity.layout import Layout
from secateur.sparsity.pattern import unview, view, view_shape


class Amount(NamedTuple):
    """How many weights a kernel has, and how many of them can still be removed."""

    name: str
    total: int
    size: int


def by_ratio(
    sources: Sequence[Source],
    layouts: Sequence[Layout],
    allocation: str,
    ratio: float,
    floor: int,
    notices: list[str],
) -> list[np.ndarray]:
    """Packed masks that remove `round(ratio · weights)` of all, shared out by `allocation`."""
    amounts = [Amount(source.name, source.total, source.size) for source in sources]
    count = removable(amounts, ratio, floor, notices)
    if allocation == "global":
        return _by_cut(sources, count, floor, notices)
    if allocation == "lamp":
        ranked = [Source(source.name, lamp_scores(np.sort(_free(source)))) for source in sources]
        kept = [_count(some) for some in _by_cut(ranked, count, floor, notices)]
    else:
        kept = share_out(amounts, layouts, allocation, count, floor, notices)
    if allocation == "output":
        return [
            _within_outputs(source, layout, number)
            for source, layout, number in zip(sources, layouts, kept, strict=True)
        ]
    return [
        _remove(source, source.size - number) for source, number in zip(sources, kept, strict=True)
    ]


def removable(amounts: Sequence[Amount], ratio: float, floor: int, notices: list[str]) -> int:
    """How many weights have to go for `ratio` of all to be gone, as far as the floor lets them."""
    total = sum(amount.total for amount in amounts)
    gone = total - sum(amount.size for amount in amounts)
    wanted = round(ratio * total) - gone
    count = min(max(wanted, 0), sum(max(0, amount.size - floor) for amount in amounts))
    if count < wanted:
        notices.append(
            f"ratio {ratio:g} cannot be met: every kernel keeps {floor} of its weights, so "
            f"{gone + count} of {total} weights are removed"
        )
    return count


def share_out(
    amounts: Sequence[Amount],
    layouts: Sequence[Layout],
    allocation: str,
    count: int,
    floor: int,
    notices: list[str],
) -> list[int]:
    """How many weights each kernel keeps when `count` go in all: by `erk`, or the same share."""
    shares = erk_shares(layouts) if allocation == "erk" else [1.0] * len(amounts)
    claims = [share * amount.total for share, amount in zip(shares, amounts, strict=True)]
    high = [amount.size for amount in amounts]
    low = [min(floor, size) for size in high]
    remaining = sum(high) - count
    kept = apportion(claims, remaining, low, high)
    unbounded = apportion(claims, remaining, [0] * len(high), high)
    for amount, number, free in zip(amounts, kept, unbounded, strict=True):
        if free < number <= floor:
            notices.append(_floored(amount.name, number))
    return kept


def _within_outputs(source: Source, layout: Layout, kept: int) -> np.ndarray:
    """Packed mask that keeps so many weights, the same number of each output."""
    source.check()

    def matrix(array: np.ndarray) -> np.ndarray:
        seen = view(array.reshape(layout.shape), layout)
        return seen.reshape(-1, seen.shape[2])

    removed = None
    if source.within is not None:
        free = np.unpackbits(source.within, count=source.total).view(np.bool_)
        removed = ~matrix(free)
    mask = smallest_of_outputs(matrix(source.flat), source.total - kept, removed)
    rest, inputs, outputs = view_shape(layout)
    return np.packbits(unview(mask.reshape(rest, inputs, outputs), layout))


def by_layer(
    sources: Sequence[Source], ratios: Mapping[str, float], floor: int, notices: list[str]
) -> list[np.ndarray]:
    """Packed masks that remove of each weight its own ratio."""
    masks = []
    for source in sources:
        wanted = round(ratios[source.name] * source.total) - (source.total - source.size)
        count = min(max(wanted, 0), max(0, source.size - floor))
        if count < wanted:
            notices.append(_floored(source.name, source.size - count))
        masks.append(_remove(source, count))
    return masks


def by_threshold(
    sources: Sequence[Source], threshold: float, floor: int, notices: list[str]
) -> list[np.ndarray]:
    """Packed masks that remove what is below `threshold`."""
    return [_cut(source, Cut(threshold, 0), floor, notices)[0] for source in sources]


def by_quantile(
    sources: Sequence[Source], quantile: float, uniform: bool, floor: int, notices: list[str]
) -> list[np.ndarray]:
    """Packed masks that remove what is below a quantile: of all scores, or of each weight's."""
    groups = [[source] for source in sources] if uniform else [list(sources)]
    masks = []
    for group in groups:
        total = sum(source.total for source in group)
        size = sum(source.size for source in group)
        count = max(0, round(quantile * total) - (total - size))  # what is gone was the lowest
        threshold = find_cut(group, min(count, size - 1)).threshold if size else 0.0
        masks += by_threshold(group, threshold, floor, notices)
    return masks


def _by_cut(
    sources: Sequence[Source], count: int, floor: int, notices: list[str]
) -> list[np.ndarray]:
    """One cut through all sources, none of which falls below the floor.

    A source that the cut would empty gives what it can, and the others give the rest: the same as
    a cut through all weights but the `floor` best of each source.
    """
    cutter, masks = Cutter(sources), dict[str, np.ndarray]()
    cut = cutter.cut(count)
    while short := cutter.short_of(floor, cut):
        for source in short:
            removed = max(0, source.size - floor)
            masks[source.name] = _remove(source, removed)
            notices.append(_floored(source.name, source.size - removed))
            count -= removed
        cutter.drop(short)
        cut = cutter.cut(count)
    for source in cutter.sources:
        masks[source.name], ties = pack(source, cut)
        cut = cut._replace(ties=ties)
    return [masks[source.name] for source in sources]


def _cut(source: Source, cut: Cut, floor: int, notices: list[str]) -> tuple[np.ndarray, int]:
    bits, ties = pack(source, cut)
    least = min(floor, source.size)
    if _count(bits) < least:
        notices.append(_floored(source.name, least))
        bits = _remove(source, source.size - least)
    return bits, ties


def _remove(source: Source, count: int) -> np.ndarray:
    return pack(source, find_cut([source], count))[0]


def _free(source: Source) -> np.ndarray:
    parts = [
        scores if free is None else scores[free] for _, scores, free in source.pieces(source.dtype)
    ]
    return np.concatenate(parts) if parts else np.empty(0, source.dtype)


def _count(bits: np.ndarray) -> int:
    return int(np.bitwise_count(bits).sum())


def _floored(name: str, kept: int) -> str:
    weights = "weight" if kept == 1 else "weights"
    return f"{name} would have been emptied; the floor keeps its {kept} best {weights}"
