"""Which blocks or channels go, under any allocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from secateur.sparsity.allocation import lamp_scores
from secateur.sparsity.pattern import Units


def by_ratio(
    groups: Sequence[Units],
    shares: Sequence[float],
    allocation: str,
    ratio: float,
    floor: int,
    notices: list[str],
) -> list[np.ndarray]:
    """Masks of units that together remove `ratio` of the weights, to the nearest unit.

    Allocations make the units of different layers comparable, by a key that rises with the score
    inside a layer: `global` the score itself, `lamp` its LAMP score, `uniform` and `erk` the place
    in the layer, counted in weights from the best unit, over the weights that are due to the layer.

    Args:
        groups: Units of each weight.
        shares: Density of each weight up to a common factor, for `uniform` and `erk`.
        allocation: `global`, `lamp`, `uniform` or `erk`.
        ratio: Share of the weights to remove.
        floor: Weights that each group keeps at least.
        notices: Receives what could not be done as asked.

    Returns:
        A boolean array for each group, True = kept.
    """
    total = sum(units.total for units in groups)
    wanted = round(ratio * total) - (total - sum(int(units.sizes.sum()) for units in groups))
    keys, sizes, protected, places = [], [], [], []
    for number, (units, share) in enumerate(zip(groups, shares, strict=True)):
        order = np.argsort(units.scores, kind="stable")
        order = order[units.sizes[order] > 0]
        mass = units.sizes[order]
        above = np.cumsum(mass[::-1])[::-1] - mass  # weights of the better units
        if allocation == "global":
            key = units.scores[order]
        elif allocation == "lamp":
            key = lamp_scores(units.scores[order])
        else:
            key = -(above + mass / 2) / (share * units.total)
        keys.append(key)
        sizes.append(mass)
        protected.append(above < floor)
        places.append(np.stack([np.full(order.size, number), order]))
    key, size = np.concatenate(keys), np.concatenate(sizes)
    safe, place = np.concatenate(protected), np.concatenate(places, axis=1)
    queue = np.argsort(key, kind="stable")
    open_ = queue[~safe[queue]]
    gone = open_[: _nearest(np.cumsum(size[open_]), wanted)]

    kept = [np.asarray(units.sizes > 0) for units in groups]
    for number in range(len(groups)):
        kept[number][place[1, gone[place[0, gone] == number]]] = False
    if gone.size:
        rank = np.empty(queue.size, np.int64)
        rank[queue] = np.arange(queue.size)
        bitten = np.unique(place[0, safe & (rank < rank[gone[-1]])])
        notices += [_floored(groups[number].name, floor) for number in bitten]
    _say_difference(notices, ratio, total, wanted, int(size[gone].sum()))
    return kept


def by_layer(
    groups: Sequence[Units], ratios: Mapping[str, float], floor: int, notices: list[str]
) -> list[np.ndarray]:
    """Masks of units that remove of each group its own ratio, to the nearest unit."""
    return [
        by_ratio([units], [1.0], "global", ratios[units.name], floor, notices)[0]
        for units in groups
    ]


def by_threshold(
    groups: Sequence[Units], threshold: float, floor: int, notices: list[str]
) -> list[np.ndarray]:
    """Masks of units that remove those below `threshold`."""
    masks = []
    for units in groups:
        order = np.argsort(units.scores, kind="stable")
        mass = units.sizes[order]
        safe = np.empty(order.size, np.bool_)
        safe[order] = np.cumsum(mass[::-1])[::-1] - mass < floor
        high = units.scores >= threshold
        if np.any(safe & ~high & (units.sizes > 0)):
            notices.append(_floored(units.name, floor))
        masks.append((high | safe) & (units.sizes > 0))
    return masks


def by_quantile(
    groups: Sequence[Units], quantile: float, uniform: bool, floor: int, notices: list[str]
) -> list[np.ndarray]:
    """Masks of units that remove those below a quantile: of all units, or of each group's."""
    masks = []
    for some in [[units] for units in groups] if uniform else [list(groups)]:
        scores = np.concatenate([units.scores[units.sizes > 0] for units in some])
        threshold = 0.0
        if scores.size:
            gone = sum(units.scores.size for units in some) - scores.size
            at = min(max(0, round(quantile * (scores.size + gone)) - gone), scores.size - 1)
            threshold = float(np.partition(scores, at)[at])
        masks += by_threshold(some, threshold, floor, notices)
    return masks


def _nearest(sums: np.ndarray, wanted: int) -> int:
    """How many leading units come nearest to `wanted`; of two, the fewer."""
    if wanted <= 0 or not sums.size:
        return 0
    at = int(np.searchsorted(sums, wanted))
    if at == sums.size:
        return at
    before = int(sums[at - 1]) if at else 0
    return at + 1 if int(sums[at]) - wanted < wanted - before else at


def _say_difference(
    notices: list[str], ratio: float, total: int, wanted: int, removed: int
) -> None:
    if removed != max(0, wanted):
        before = round(ratio * total) - wanted
        notices.append(
            f"ratio {ratio:g} asks for {before + wanted} of {total} weights; in whole units, with "
            f"the floor, {before + removed} are removed"
        )


def _floored(name: str, floor: int) -> str:
    return f"{name} would have been emptied; the floor of {floor} keeps its best units"
