"""Which channels go: scores of groups, a budget, and the cut that meets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from secateur.structure.dependency import Graph, Group
from secateur.structure.pooling import POOLINGS, pooled
from secateur.structure.removal import Removal, names, selected

Latency = Callable[[keras.Model], float]
MEASURES = ("units", "parameters", "flops", "latency")


def choose(
    graph: Graph,
    scores: Mapping[str, np.ndarray],
    *,
    ratio: float = 0.5,
    measure: str = "units",
    allocation: str | Mapping[str, float] = "global",
    pooling: str = "mean",
    normalize: bool = True,
    kinds: tuple[str, ...] = ("channel", "head"),
    round_to: int = 1,
    floor: int | float = 1,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    latency: Latency | None = None,
) -> Removal:
    """Chooses the channels with the lowest scores, as many as the target asks for.

    Args:
        graph: The dependency graph (`analyse`).
        scores: Weight path -> non-negative array of the weight's shape (`importance`). A group
            none of whose weights has scores is left alone.
        ratio: Share to remove of what `measure` names, from 0 up to but not including 1.
        measure: "units": of the channels in the chosen groups; "parameters" or "flops": of the
            whole model's; "latency": of the time that `latency` measures.
        allocation: "global": the lowest scores of all groups together; "uniform": the same share
            of each group; or glob on layers -> share of channels for the groups of these layers,
            where the longest glob that matches counts, other groups stay whole, and `ratio` and
            `measure` do not matter.
        pooling: "mean", "l1" (the sum), "max" or "l2" (root of the sum of squares) over all
            weights that a channel runs through.
        normalize: Divide the scores of each group by their mean, so that groups of different sizes
            can be compared by a global allocation.
        kinds: Which groups: "channel" (units of feed-forward blocks too), "head" (of attention),
            "width" (of queries, keys and values inside the heads).
        round_to: The channels that are left in a group that is cut are a multiple of this.
        floor: What always stays of each group: a number of channels, or, below 1, a share. At
            least one channel stays in any case.
        include: Globs on paths, names or types of layers: groups that one of these layers makes
            can be cut. None: all groups.
        exclude: Globs of the same kind: groups that one of these layers makes stay whole.
        latency: Model -> time, for `measure="latency"`; called for about ten cut models.

    Returns:
        The removal, as close to the target as one step (one channel, or `round_to`) allows.

    Raises:
        ValueError: If an argument is not one of those above, or there is nothing to cut.
    """
    _check(ratio, measure, allocation, pooling, round_to, floor, kinds, latency)
    notices: list[str] = []
    groups = [
        g for g in graph.groups if g.kind in kinds and selected(names(graph, g), include, exclude)
    ]
    per_unit, scored = pooled(graph, scores, pooling)
    without = [g.name for g in groups if not scored[g.units].all()]
    if without:
        notices.append(f"Not cut, because their weights have no scores: {', '.join(without)}.")
        groups = [g for g in groups if scored[g.units].all()]
    if not groups:
        raise ValueError(
            f"There is no group of the kinds {list(kinds)} with scores left to cut in "
            f"'{graph.model.name}'; `describe(graph)` tells what stays and why."
        )
    steps = _steps(graph, groups, per_unit, normalize, allocation, round_to, floor)
    if isinstance(allocation, str):
        number = _meet(graph, groups, steps, ratio, measure, latency, notices)
        following, steps = steps[number:], steps[:number]
        if allocation == "global" and steps:
            notices += _floored(graph, groups, per_unit, normalize, steps, following)
    removed = np.zeros(graph.units, bool)
    for _, units in steps:
        removed[units] = True
    return Removal(graph, removed, notices)


Step = tuple[float, np.ndarray]


def _steps(
    graph: Graph,
    groups: list[Group],
    scores: np.ndarray,
    normalize: bool,
    allocation: str | Mapping[str, float],
    round_to: int,
    floor: int | float,
) -> list[Step]:
    """All removals that are allowed, one after the other, in the order of the allocation."""
    steps: list[Step] = []
    for group in groups:
        mine = _comparable(scores[group.units], normalize)
        order = np.argsort(mine, kind="stable")
        ends = _ends(group.channels, round_to, floor)
        if not isinstance(allocation, str):
            ends = _given(names(graph, group), group.channels, allocation, ends)
        previous, key = 0, -np.inf
        for end in ends:
            part = order[previous:end]
            worth = (previous + end) / 2 / group.channels
            if allocation == "global":
                worth = float(mine[part].mean())
            key = max(key, worth)  # the parts of one group keep their order
            steps.append((key, group.units[part]))
            previous = end
    return sorted(steps, key=lambda step: step[0])


def _ends(channels: int, round_to: int, floor: int | float) -> list[int]:
    """How many channels can be gone in a group after each step."""
    least = max(1, int(np.ceil(floor * channels)) if 0 < floor < 1 else int(floor))
    return [channels - kept for kept in range(channels - 1, least - 1, -1) if kept % round_to == 0]


def _floored(
    graph: Graph,
    groups: list[Group],
    scores: np.ndarray,
    normalize: bool,
    taken: list[Step],
    left: list[Step],
) -> list[str]:
    """One sentence if groups are at their floor though channels worth more have gone."""
    gone, can_go = np.zeros(graph.units, bool), np.zeros(graph.units, bool)
    for marks, steps in ((gone, taken), (can_go, left)):
        for _, units in steps:
            marks[units] = True
    named = []
    for group in groups:
        mine = _comparable(scores[group.units], normalize)
        stays = ~gone[group.units]
        if not can_go[group.units].any() and mine[stays].min() < taken[-1][0]:
            named.append(group.name)
    if not named:
        return []
    names = ", ".join(named)
    return [f"What is left of {names} is the least that may stay, low as its scores are."]


def _comparable(scores: np.ndarray, normalize: bool) -> np.ndarray:
    """Scores of one group, over their mean if they are to be compared with other groups'."""
    return scores / scores.mean() if normalize and scores.mean() > 0 else scores


def _given(
    names: set[str], channels: int, allocation: Mapping[str, float], ends: list[int]
) -> list[int]:
    """The one step that comes closest to the share that is given for this group."""
    for pattern in sorted(allocation, key=len, reverse=True):
        if selected(names, (pattern,), ()):
            best = min([0, *ends], key=lambda end: abs(end - allocation[pattern] * channels))
            return [best] if best else []
    return []


def _meet(
    graph: Graph,
    groups: list[Group],
    steps: list[Step],
    ratio: float,
    measure: str,
    latency: Latency | None,
    notices: list[str],
) -> int:
    """How many steps come closest to the target; what is left falls with every step."""
    total = sum(group.channels for group in groups)

    def left(number: int) -> float:
        removed = np.zeros(graph.units, bool)
        for _, units in steps[:number]:
            removed[units] = True
        if measure == "units":
            return float(total - removed.sum())
        if measure == "parameters":
            return float(graph.parameters(removed))
        if measure == "flops":
            return float(graph.flops(removed))
        from secateur.structure.cutting import cut

        assert latency is not None
        return float(latency(cut(graph, removed) if number else graph.model))

    known: dict[int, float] = {}

    def value(number: int) -> float:
        if number not in known:
            known[number] = left(number)
        return known[number]

    goal = value(0) * (1 - ratio)
    low, high = 0, len(steps)
    if value(high) > goal:
        share = 1 - value(high) / value(0)
        notices.append(
            f"A ratio of {ratio:g} of the {measure} cannot be reached: without all channels that "
            f"may go, it is {share:.4f}."
        )
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if value(middle) > goal else (low, middle)
    return min((low, high), key=lambda number: abs(value(number) - goal))


def _check(
    ratio: float,
    measure: str,
    allocation: Any,
    pooling: str,
    round_to: int,
    floor: float,
    kinds: tuple[str, ...],
    latency: Any,
) -> None:
    shares = list(allocation.values()) if isinstance(allocation, Mapping) else [ratio]
    for share in shares:
        if not 0 <= share < 1:
            raise ValueError(f"A ratio has to be at least 0 and below 1; it is {share}.")
    if measure not in MEASURES:
        raise ValueError(f"`measure` has to be one of {', '.join(MEASURES)}; it is {measure!r}.")
    if measure == "latency" and latency is None and not isinstance(allocation, Mapping):
        raise ValueError("`measure='latency'` needs `latency`, a function of a model.")
    if not isinstance(allocation, Mapping) and allocation not in ("global", "uniform"):
        raise ValueError(
            "Of whole channels `allocation` has to be 'global', 'uniform' or a mapping of globs "
            f"to shares; it is {allocation!r}."
        )
    if pooling not in POOLINGS:
        raise ValueError(f"`pooling` has to be one of {', '.join(POOLINGS)}; it is {pooling!r}.")
    if round_to < 1 or floor < 0 or (floor > 1 and floor != int(floor)):
        raise ValueError(
            "`round_to` has to be at least 1, and `floor` a number of channels or a share; they "
            f"are {round_to} and {floor}."
        )
    unknown = set(kinds) - {"channel", "head", "width"}
    if unknown or not kinds:
        raise ValueError(f"`kinds` are of channel, head and width; given was {list(kinds)}.")
