"""Model parameters -> a Keras model that fits the data."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from typing import Any

import keras

from secateur.datasets.traits import Traits
from secateur.models.architectures import BUILDERS, TABLE_BUILDERS, TEXT_BUILDERS
from secateur.models.config import ModelConfig
from secateur.models.files import load_model
from secateur.models.pretrained import build_application, load_preset
from secateur.models.sources import check_model


def build_model(
    config: ModelConfig, input_shape: Any, classes: Any, traits: Traits | None = None
) -> keras.Model:
    """Builds, or loads, the model that `config` names.

    Args:
        config: What to build.
        input_shape: Shape of one example's input; of several inputs, a dict by their names.
        classes: Values that the model gives; of several outputs, a dict of them by their names.
            See `Dataset.classes`.
        traits: What is known of the data beside; None for images, or other numbers, with a class.

    Returns:
        A built model; an architecture's weights come from Keras's global seed.

    Raises:
        ValueError: One sentence: it cannot be loaded, is not allowed, or does not fit the data.
    """
    check_model(config)
    traits = traits or Traits()
    if traits.outputs and config.path is None and config.factory is None:
        raise ValueError(
            f"The data have the outputs {', '.join(traits.outputs)}, and {config.label!r} gives "
            "one; give a model with outputs of these names as model.path or model.factory."
        )
    if config.path is not None:
        model = load_model(config.path)
    elif config.factory is not None:
        model = _call_factory(config.factory, input_shape, classes, traits)
    elif config.application is not None:
        model = build_application(config.application, config.weights, input_shape, classes)
    elif config.preset is not None:
        model = load_preset(config.preset, classes)
    else:
        assert config.name is not None
        model = _built_in(config.name, input_shape, classes, traits)
    if traits.outputs:
        model = _by_name(model, traits.outputs)
    check_fits(model, input_shape, classes, traits)
    return model


def _by_name(model: keras.Model, outputs: Iterable[str]) -> keras.Model:
    """A model that gives a dict, where it gives a list of outputs that have these names."""
    output = getattr(model, "output", None)
    if not isinstance(output, list) or set(model.output_names) != set(outputs):
        return model
    given = dict(zip(model.output_names, output, strict=True))
    return keras.Model(model.input, given, name=model.name)


def _built_in(name: str, input_shape: Any, classes: int, traits: Traits) -> keras.Model:
    if isinstance(input_shape, dict):
        raise ValueError(
            f"The data have {len(input_shape)} inputs, {', '.join(input_shape)}, and {name} takes "
            "one; choose one by dataset.features, or give a model.path or a model.factory."
        )
    if (traits.vocabulary is not None) != (name in TEXT_BUILDERS):
        takes, given = (
            ("tokens of text", "numbers")
            if name in TEXT_BUILDERS
            else ("numbers", "tokens of text")
        )
        fitting = TEXT_BUILDERS if given == "tokens of text" else BUILDERS
        raise ValueError(
            f"{name} takes {takes}, but the data set gives {given}; choose {', '.join(fitting)}, "
            "or a model of your own."
        )
    if traits.vocabulary is not None:
        return TEXT_BUILDERS[name](input_shape[0], traits.vocabulary, classes)
    if name in TABLE_BUILDERS:
        return TABLE_BUILDERS[name](input_shape, classes, traits)
    return BUILDERS[name](input_shape, classes)


def _call_factory(factory: str, input_shape: Any, classes: int, traits: Traits) -> keras.Model:
    module_name, _, function_name = factory.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # importing runs the user's code
        raise ValueError(
            f"model.factory {factory!r} cannot be imported: {_in_short(error)}."
        ) from error
    more = {}
    if traits.vocabulary is not None and "vocabulary" in _parameters(function):
        more["vocabulary"] = traits.vocabulary
    try:
        model = function(input_shape, classes, **more)
    except Exception as error:  # the user's code
        given = input_shape if isinstance(input_shape, dict) else tuple(input_shape)
        raise ValueError(
            f"model.factory {factory!r} failed when it was called with {given} and "
            f"{classes}: {_in_short(error)}."
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model.factory {factory!r} returned {model!r}; it has to return a keras.Model."
        )
    if not model.built:
        _output(model, input_shape)  # a subclassed model makes its weights when it is called
    return model


def _parameters(function: Any) -> Iterable[str]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in
        return ()


def _in_short(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def check_fits(
    model: keras.Model, input_shape: Any, classes: Any, traits: Traits | None = None
) -> None:
    """Refuses a model whose inputs or output do not fit the data.

    Raises:
        ValueError: One sentence with both shapes.
    """
    wanted = _map(lambda shape: (None, *shape), input_shape)
    try:
        takes, gives = _input_shapes(model, wanted), _output_shapes(model)
    except AttributeError:  # a subclassed model has no shapes
        takes, gives = wanted, _output(model, input_shape)
    if not _fits(takes, wanted):
        raise ValueError(
            f"The model takes inputs of shape {_shown(takes)}, but the data set gives "
            f"{_shown(wanted)}; choose a model and a data set that fit."
        )
    traits = traits or Traits()
    if not traits.outputs:
        _check_output("", gives, classes, traits.task)
        return
    if not isinstance(gives, dict) or gives.keys() != traits.outputs.keys():
        names = model.output_names if hasattr(model, "output_names") else gives
        raise ValueError(
            f"The model gives the outputs {', '.join(map(str, names))}, but the data set has "
            f"{', '.join(traits.outputs)}; call the last layers, or the keys of the outputs, so."
        )
    for name, task in traits.outputs.items():
        _check_output(name, gives[name], classes[name], task)


def _check_output(name: str, gives: Any, classes: int, task: str) -> None:
    each = task in ("token_classification", "language_model")
    rank = isinstance(gives, tuple) and all(n is None or isinstance(n, int) for n in gives)
    if not rank or (len(gives) < 3 if each else len(gives) != 2) or gives[-1] != classes:
        needs = "(batch, …, " + f"{classes})" if each else _shown((None, classes))
        what = f"{classes} classes" if task == "classification" else f"the task {task}"
        of = f" {name}" if name else "s"
        raise ValueError(
            f"The model gives output{of} of shape {_shown(gives)}, but the data set has {what} "
            f"and needs {needs}; choose a model and a data set that fit."
        )


def _input_shapes(model: keras.Model, wanted: Any) -> Any:
    """Shapes of the inputs; by their names, where the data set has names."""
    if not isinstance(wanted, dict):
        return model.input_shape
    return {tensor.name: tuple(tensor.shape) for tensor in model.inputs}


def _output_shapes(model: keras.Model) -> Any:
    """Shape of the output; of a model that gives a dict, a dict of them."""
    output = getattr(model, "output", None)  # a Sequential that was not called has none
    if isinstance(output, dict):
        return {name: tuple(tensor.shape) for name, tensor in output.items()}
    return model.output_shape


def _fits(takes: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        both = isinstance(takes, dict) and takes.keys() == wanted.keys()
        return both and all(_fits(takes[name], wanted[name]) for name in wanted)
    return isinstance(takes, tuple) and _matches(takes, wanted)


def _map(function: Any, shapes: Any) -> Any:
    if isinstance(shapes, dict):
        return {name: function(shape) for name, shape in shapes.items()}
    return function(shapes)


def _output(model: keras.Model, input_shape: Any) -> object:
    """Shape of what a model gives for the data; builds it if it is not built."""
    try:
        output = model(_map(keras.Input, input_shape))
    except Exception as error:  # whatever the layers make of a wrong shape
        raise ValueError(
            "The model does not take inputs of shape "
            f"{_shown(_map(lambda shape: (None, *shape), input_shape))}, which the "
            f"data set gives ({_in_short(error)}); choose a model and a data set that fit."
        ) from error
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), output)


def _matches(shape: tuple, other: tuple) -> bool:
    return len(shape) == len(other) and all(
        a is None or b is None or a == b for a, b in zip(shape, other, strict=True)
    )


def _shown(shape: object) -> str:
    if isinstance(shape, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in shape.items())
    return str(shape).replace("None", "batch", 1)
