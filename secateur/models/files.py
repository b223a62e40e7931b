"""`.keras` files, apart from what builds a model: most stages only read one that is there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import keras

from secateur.factories import check_module
from secateur.models.own_code import own_modules


def load_model(path: str | Path) -> keras.Model:
    """Reads a `.keras` file in Keras's safe mode: no code inside it runs.

    Layers of a user's own are found if their module registers them with `keras.saving`, and the
    operator allows it (SECATEUR_MODEL_MODULES). The model comes uncompiled.

    Raises:
        ValueError: One sentence that says what is wrong with the file.
    """
    place = Path(path).expanduser()
    for module in own_modules(place):
        if module not in sys.modules:
            check_module("A layer of the model file", module)
            importlib.import_module(module)
    try:
        return keras.saving.load_model(place, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its readers do
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"The model file {str(path)!r} cannot be loaded: {lines[0]}") from error


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file of the model alone, and leaves the model uncompiled.

    Neither compile settings nor optimizer state go into the file: the state of Adam is twice the
    size of the weights, and Keras warns at loading when the settings come without it.
    """
    model.optimizer = None
    model.compiled = False
    model.save(path)
