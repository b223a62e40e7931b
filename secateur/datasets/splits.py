"""Which examples train, choose and measure: the same ones at every load."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from secateur.datasets.config import DatasetConfig

Part = tuple[str, np.ndarray]
"""A split of the source, and the examples of it (sorted)."""

_SEED = 20_240_601  # any number, but always this one


def divide(
    sizes: Mapping[str, int], strata: np.ndarray | None, config: DatasetConfig
) -> dict[str, Part]:
    """Our three splits of a source's own.

    The source's `validation` and `test` are taken as they are. Where one is missing, its share is
    drawn from the source's `train` by a fixed seed, of each class the same share.

    Args:
        sizes: Examples of each split of the source; `train` is among them.
        strata: Class of each example of the source's `train`; None to draw from all alike.
        config: The shares.

    Raises:
        ValueError: One sentence: a split would be empty.
    """
    size = sizes["train"]
    place = _places(size, strata)
    low = 0.0
    parts: dict[str, Part] = {}
    for name, share in (("test", config.test), ("validation", config.validation)):
        if name in sizes:
            parts[name] = (name, np.arange(sizes[name]))
            continue
        part = share if name == "test" else share * (1 - low)
        chosen = np.flatnonzero((place >= low) & (place < low + part))
        low += part
        if share and not len(chosen):
            raise ValueError(
                f"dataset.{name} is {share}, which leaves an empty {name} split of {size} "
                f"examples; give another share{'' if name == 'test' else ', or 0'}."
            )
        parts[name] = ("train", chosen)
    parts["train"] = ("train", np.flatnonzero(place >= low))
    for name in ("train", "test"):
        if not len(parts[name][1]):
            raise ValueError(f"The {name} split of {config.label!r} has no examples.")
    return parts


def _places(size: int, strata: np.ndarray | None) -> np.ndarray:
    """A place in [0, 1) for each example: evenly spread over each class, in a mixed order."""
    random = np.random.default_rng(_SEED)
    order = random.permutation(size)
    if strata is None:
        strata = np.zeros(size, np.int64)
    order = order[np.argsort(strata[order], kind="stable")]
    place = np.empty(size)
    _, counts = np.unique(strata, return_counts=True)
    start = 0
    for count in counts:
        # Each class begins elsewhere, so that classes of one example do not all go one way.
        place[order[start : start + count]] = (np.arange(count) + random.random()) / count
        start += count
    return place
