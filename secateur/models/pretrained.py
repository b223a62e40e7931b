"""Models that others trained: keras.applications and KerasHub presets, from this machine alone."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import keras

from secateur.models.own_code import own_modules


def build_application(
    name: str, weights: str | None, input_shape: Any, classes: int
) -> keras.Model:
    """An architecture of keras.applications with a new last layer.

    Images come as numbers from 0 to 1, and go through the architecture's own preprocessing first,
    which is part of the model.

    Args:
        name: Of the function, such as `MobileNetV2`.
        weights: A file of its weights without the top; None for random ones.
        input_shape: Height, width and channels.
        classes: Values to give.

    Raises:
        ValueError: One sentence: the images do not fit it, or the file holds other weights.
    """
    function = getattr(keras.applications, name)
    if isinstance(input_shape, dict) or len(input_shape) != 3:
        raise ValueError(f"{name} takes images with channels, not inputs of shape {input_shape}.")
    try:
        body = function(
            include_top=False,
            weights=None,
            input_shape=tuple(input_shape),
            pooling="avg",
        )
    except ValueError as error:
        raise ValueError(
            f"{name} does not take images of shape {tuple(input_shape)} ({_short(error)}); give "
            "dataset.image_size, or choose another model."
        ) from error
    if weights is not None:
        try:
            body.load_weights(str(Path(weights).expanduser()))
        except Exception as error:  # whatever Keras and h5py make of another file
            raise ValueError(
                f"The file {weights!r} does not hold the weights of {name} without its top "
                f"({_short(error)})."
            ) from error
    images = keras.Input(tuple(input_shape), name="images")
    x = keras.layers.Rescaling(255.0, name="bytes")(images)
    if input_shape[2] == 3:
        x = sys.modules[function.__module__].preprocess_input(x)
    outputs = keras.layers.Dense(classes, name="logits")(body(x))
    return keras.Model(images, outputs, name=name.lower())


def load_preset(folder: str, classes: int) -> keras.Model:
    """A KerasHub preset: a task's model without its preprocessor, or a backbone with a new layer.

    Args:
        folder: Of the preset, on this machine.
        classes: Values that a backbone's new last layer gives.

    Raises:
        ValueError: One sentence: it cannot be loaded, or is a backbone that gives no features of
            images.
    """
    import keras_hub

    place = Path(folder).expanduser()
    for module in own_modules(place):
        importlib.import_module(module)
    try:
        if (place / "task.json").is_file():
            task = _task(place)
            return keras.Model(task.input, task.output, name=task.name)
        backbone = keras_hub.models.Backbone.from_preset(str(place))
    except Exception as error:  # whatever KerasHub's readers do
        raise ValueError(f"The preset {folder!r} cannot be loaded: {_short(error)}.") from error
    features = backbone.output
    if isinstance(features, dict) or len(features.shape) not in (3, 4):
        raise ValueError(
            f"The preset {folder!r} is a backbone whose output is no map of features; give the "
            "preset of a classifier."
        )
    rank = len(features.shape) - 2
    pool = keras.layers.GlobalAveragePooling2D if rank == 2 else keras.layers.GlobalMaxPooling1D
    outputs = keras.layers.Dense(classes, name="logits")(pool(name="pool")(features))
    return keras.Model(backbone.input, outputs, name=backbone.name)


def _task(place: Path) -> Any:
    """The task in a preset's folder, without its preprocessor.

    `from_preset` of KerasHub goes by the backbone's class, and finds no head for a task that was
    saved as the general class (`ImageClassifier`); the file says what the task is.
    """
    config = json.loads((place / "task.json").read_text())
    config["config"]["preprocessor"] = None
    task = keras.saving.deserialize_keras_object(config)
    own = place / "task.weights.h5"
    if own.is_file():
        task.load_task_weights(str(own))
    single = place / "model.weights.h5"
    task.backbone.load_weights(str(single if single.is_file() else place / "model.weights.json"))
    return task


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
