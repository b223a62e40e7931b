"""A model on the validation split, example by example, and its costs: what a search decides by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.datasets.dataset import Split
from secateur.evaluation.counts import count_layers
from secateur.evaluation.flops import counted_flops
from secateur.evaluation.size import file_size
from secateur.models.files import load_model
from secateur.searching.schema import Costs


def validate_file(path: Path, validation: Split) -> tuple[np.ndarray, Costs]:
    """Looks at a `.keras` file of a classifier.

    Args:
        path: The file.
        validation: Not empty; one label for each example.

    Returns:
        For each example whether the model is right, and the costs.

    Raises:
        ValueError: If the split is empty, or its targets are no class labels.
    """
    model = load_model(path)
    return right_answers(model, validation), costs_of(model, path)


def costs_of(model: keras.Model, path: Path) -> Costs:
    """What a model costs that is saved as the file `path`."""
    return Costs(
        parameters=model.count_params(),
        nonzero=sum(layer.nonzero for layer in count_layers(model)),
        flops=counted_flops(model)[0],
        bytes=file_size(path).gzip,
    )


def right_answers(model: keras.Model, split: Split) -> np.ndarray:
    """For each example whether the class with the highest output is the label: booleans (n,)."""
    check_labels(split.y)
    found: list[np.ndarray] = []
    for low in range(0, len(split), 1024):
        some = np.arange(low, min(low + 1024, len(split)))
        x, y = split.arrays(some)
        outputs: Any = keras.ops.convert_to_numpy(model(x, training=False))
        found.append(outputs.argmax(-1) == y)
    return np.concatenate(found)


def check_labels(y: np.ndarray) -> None:
    """Refuses a split that no accuracy can be measured on.

    Raises:
        ValueError: One sentence.
    """
    if not len(y):
        raise ValueError(
            "the validation split is empty, so nothing can be chosen on it; give "
            "dataset.validation above 0"
        )
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(
            "a search compares shares of right answers, and this data set has no class label for "
            "each example; use secateur sweep instead"
        )
