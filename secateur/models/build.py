"""Model parameters -> a Keras model that fits the data."""

from __future__ import annotations

import importlib

import keras

from secateur.models.architectures import BUILDERS
from secateur.models.config import ModelConfig
from secateur.models.files import load_model
from secateur.models.sources import check_model


def build_model(config: ModelConfig, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Builds, or loads, the model that `config` names.

    Args:
        config: What to build.
        input_shape: Shape of one example's input.
        classes: Number of classes of the data set.

    Returns:
        A built model; an architecture's weights come from Keras's global seed.

    Raises:
        ValueError: One sentence: it cannot be loaded, is not allowed, or does not fit the data.
    """
    check_model(config)
    if config.path is not None:
        model = load_model(config.path)
    elif config.factory is not None:
        model = _call_factory(config.factory, input_shape, classes)
    else:
        assert config.name is not None
        model = BUILDERS[config.name](input_shape, classes)
    check_fits(model, input_shape, classes)
    return model


def _call_factory(factory: str, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    module_name, _, function_name = factory.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # importing runs the user's code
        raise ValueError(
            f"model.factory {factory!r} cannot be imported: {_in_short(error)}."
        ) from error
    try:
        model = function(input_shape, classes)
    except Exception as error:  # the user's code
        raise ValueError(
            f"model.factory {factory!r} failed when it was called with {tuple(input_shape)} and "
            f"{classes}: {_in_short(error)}."
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model.factory {factory!r} returned {model!r}; it has to return a keras.Model."
        )
    if not model.built:
        _output(model, input_shape)  # a subclassed model makes its weights when it is called
    return model


def _in_short(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def check_fits(model: keras.Model, input_shape: tuple[int, ...], classes: int) -> None:
    """Refuses a model whose input or output does not fit the data.

    Raises:
        ValueError: One sentence with both shapes.
    """
    try:
        takes, gives = model.input_shape, model.output_shape
    except AttributeError:  # a subclassed model has no shapes
        takes, gives = (None, *input_shape), _output(model, input_shape)
    if not isinstance(takes, tuple) or not _matches(takes, (None, *input_shape)):
        raise ValueError(
            f"The model takes inputs of shape {_shown(takes)}, but the data set gives "
            f"{_shown((None, *input_shape))}; choose a model and a data set that fit."
        )
    if not isinstance(gives, tuple) or len(gives) != 2 or gives[1] != classes:
        raise ValueError(
            f"The model gives outputs of shape {_shown(gives)}, but the data set has {classes} "
            f"classes and needs {_shown((None, classes))}; choose a model and a data set that fit."
        )


def _output(model: keras.Model, input_shape: tuple[int, ...]) -> object:
    """Shape of what a model gives for the data; builds it if it is not built."""
    try:
        output = model(keras.Input(input_shape))
    except Exception as error:  # whatever the layers make of a wrong shape
        raise ValueError(
            f"The model does not take inputs of shape {_shown((None, *input_shape))}, which the "
            f"data set gives ({_in_short(error)}); choose a model and a data set that fit."
        ) from error
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), output)


def _matches(shape: tuple, other: tuple) -> bool:
    return len(shape) == len(other) and all(
        a is None or b is None or a == b for a, b in zip(shape, other, strict=True)
    )


def _shown(shape: object) -> str:
    return str(shape).replace("None", "batch", 1)
