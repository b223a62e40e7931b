"""What is told of a data set once its splits are written: sizes, classes and duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from secateur.datasets import duplicates
from secateur.datasets.dataset import SPLITS, Dataset

_CLASSES = 1000  # whose counts are told, at most


def complete(info: dict[str, Any], data: Dataset) -> None:
    """Adds the splits, the counts of the classes and the duplicates to `info["understood"]`.

    Args:
        info: What `info.json` holds; changed.
        data: The data set as written.
    """
    told = info["understood"]
    splits = {name: data.split(name) for name in SPLITS}
    told["splits"] = {
        name: {"examples": len(split), "from": info["splits"][name]}
        for name, split in splits.items()
    }
    if info["task"] == "language_model":
        return
    targets = {
        name: split.y if isinstance(split.y, Mapping) else {"": split.y}
        for name, split in splits.items()
    }
    for output, about in told["targets"].items():
        task = data.goal if isinstance(data.goal, str) else data.goal[output]
        classes = data.classes[output] if isinstance(data.classes, dict) else data.classes
        classes = 2 if task == "binary" else classes
        if task in ("classification", "binary") and classes <= _CLASSES:
            about["counts"] = {
                name: np.bincount(
                    np.asarray(y[output]).astype(np.int64).reshape(-1), minlength=classes
                ).tolist()
                for name, y in targets.items()
            }
    if "duplicates" not in told:
        told["duplicates"] = duplicates.count(
            {name: [array for _, array, _ in split.parts()] for name, split in splits.items()},
            {name: list(y.values()) for name, y in targets.items()},
        )
    sizes = {name: len(split) for name, split in splits.items()}
    info["notices"] += duplicates.notices(told["duplicates"], sizes)
