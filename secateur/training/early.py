"""The weights of an early epoch, kept for a later pruning to go back to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.models.weights import weight_paths


class EarlyWeights(keras.callbacks.Callback):
    """Remembers a model's weights as they were after some epochs; a companion of `fit`.

    Args:
        model: The model in training.
        epoch: After how many epochs; 0 for the weights before any training.
    """

    def __init__(self, model: keras.Model, epoch: int) -> None:
        super().__init__()
        self._kept_of, self._epoch = model, epoch
        self.weights: dict[str, np.ndarray] = {} if epoch else _weights(model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 == self._epoch:
            self.weights = _weights(self._kept_of)

    def state(self) -> dict[str, np.ndarray]:
        """See `Companion`."""
        return dict(self.weights)

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Companion`."""
        self.weights = dict(state)

    def save(self, path: Path) -> None:
        """Writes the weights as one `.npz` file: weight path -> array."""
        np.savez(path, allow_pickle=False, **self.weights)

    def digest(self) -> str:
        """Of the weights' paths, shapes and bytes."""
        digest = hashlib.sha256()
        for path, array in sorted(self.weights.items()):
            digest.update(f"{path}{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()


def rewind(model: keras.Model, path: Path) -> None:
    """Gives `model` the weights that `EarlyWeights` has saved; it is masked or held after this.

    Raises:
        ValueError: One sentence: they are of another model.
    """
    with np.load(path, allow_pickle=False) as saved:
        own = dict(weight_paths(model))
        shapes = {name: saved[name].shape for name in saved.files}
        if shapes != {name: tuple(variable.shape) for name, variable in own.items()}:
            raise ValueError(
                "The weights to rewind to belong to another model; rewind a model that was pruned "
                "by masks, of the very training that kept them."
            )
        for name, variable in own.items():
            variable.assign(saved[name])


def _weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {path: _array(variable) for path, variable in weight_paths(model)}


def _array(variable: keras.Variable) -> np.ndarray:
    value = np.array(keras.ops.convert_to_numpy(variable.value))
    return value if value.dtype.kind in "fiub" else value.astype(np.float32)  # bfloat16
