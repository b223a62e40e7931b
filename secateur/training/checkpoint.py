"""The state of a training after each epoch, so that a killed one goes on where it was."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

_log = logging.getLogger(__name__)
_FILE = "epoch.npz"
_BESIDE = "beside."


class Checkpoint:
    """One file in a folder, replaced after every epoch in one step.

    Holds all that training changes: weights, optimizer state, the seed generators of dropout and
    the like, and the history. (`keras.callbacks.BackupAndRestore` keeps neither the seed
    generators nor the history, and a kill while it writes leaves nothing to restore.)
    """

    def __init__(self, folder: Path):
        self._path = folder / _FILE

    def save(
        self,
        model: keras.Model,
        epochs: int,
        history: dict[str, list[float]],
        beside: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Writes the state after `epochs` finished epochs, and arrays that belong to it."""
        arrays = {str(i): _to_bytes(v) for i, v in enumerate(_variables(model))}
        arrays |= {f"{_BESIDE}{name}": array for name, array in (beside or {}).items()}
        about = json.dumps({"epochs": epochs, "history": history, "state": _layout(model)})
        partial = self._path.with_suffix(".tmp")
        with partial.open("wb") as file:
            np.savez(
                file, allow_pickle=False, about=np.frombuffer(about.encode(), np.uint8), **arrays
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)

    def epochs(self) -> int:
        """How many epochs were finished when it was saved; 0 where nothing can be read."""
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                return int(json.loads(saved["about"].tobytes())["epochs"])
        except Exception:  # whatever a missing or damaged zip file makes its readers raise
            return 0

    def restore(
        self, model: keras.Model
    ) -> tuple[int, dict[str, list[float]], dict[str, np.ndarray]]:
        """Puts the saved state into `model`, compiled and with its optimizer built.

        Returns:
            The number of finished epochs, the history, and the arrays beside it; 0 and nothing
            where nothing was saved, or what was saved is damaged or of another model.
        """
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                about = json.loads(saved["about"].tobytes())
                if about["state"] != _layout(model):
                    raise ValueError("it belongs to another model")
                arrays = [saved[str(i)] for i in range(len(about["state"]))]
                names = [name for name in saved.files if name.startswith(_BESIDE)]
                beside = {name.removeprefix(_BESIDE): saved[name] for name in names}
        except FileNotFoundError:
            return 0, {}, {}
        except Exception as error:  # whatever a damaged zip file makes its readers raise
            _log.warning("A checkpoint cannot be read (%s); training starts anew.", error)
            return 0, {}, {}
        for variable, array in zip(_variables(model), arrays, strict=True):
            variable.assign(_from_bytes(array, variable))
        return about["epochs"], about["history"], beside


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def _layout(model: keras.Model) -> list[list]:
    return [[list(v.shape), keras.backend.standardize_dtype(v.dtype)] for v in _variables(model)]


def _to_bytes(variable: keras.Variable) -> np.ndarray:
    """The raw bytes: the npz format knows no bfloat16."""
    value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
    return np.frombuffer(value.tobytes(), np.uint8)


def _from_bytes(array: np.ndarray, variable: keras.Variable) -> np.ndarray:
    dtype = np.asarray(keras.ops.convert_to_numpy(variable.value)).dtype
    return np.frombuffer(array.tobytes(), dtype).reshape(variable.shape)
