"""A trained network with a new head: the way to another task."""

from __future__ import annotations

import keras

from secateur.graph.attributes import own_steps
from secateur.graph.copying import fresh

_AFTER = (
    keras.layers.Activation,
    keras.layers.Softmax,
    keras.layers.ReLU,
    keras.layers.Dropout,
)
"""What may follow the head on its way to the output; it is made anew behind the new head."""


class HeadError(ValueError):
    """The model has no head that can be replaced; one sentence."""


def replace_head(model: keras.Model, outputs: int) -> tuple[keras.Model, str]:
    """The network of `model` behind a new, untrained last layer.

    The head is the `Dense` layer that gives the model's output, if need be through an activation
    or dropout. Everything before it is shared with `model`, weights included.

    Args:
        model: A built Functional or Sequential model with one output.
        outputs: Units of the new head, such as the number of classes.

    Returns:
        The new model, and the path of its head: the head's layer has the name of the old one.

    Raises:
        HeadError: There is no such head.
    """
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise HeadError(
            f"{model.name!r} is a subclassed model, whose head cannot be found; give a Functional "
            "or Sequential model."
        )
    if own := own_steps(type(model)):
        raise HeadError(
            f"{model.name!r} has a {own[0]} of its own, which a model with another head would not "
            "use; give a plain keras.Model of the same layers."
        )
    if len(model.outputs) != 1:
        raise HeadError(
            f"{model.name!r} has {len(model.outputs)} outputs; a new head takes the place of one."
        )
    head, features, after = _find_head(model)
    tensor = keras.layers.Dense.from_config({**head.get_config(), "units": outputs})(features)
    for layer in after:
        tensor = type(layer).from_config(layer.get_config())(tensor)
    return keras.Model(model.inputs, tensor, name=model.name), head.name


def _find_head(
    model: keras.Model,
) -> tuple[keras.layers.Dense, keras.KerasTensor, list[keras.Layer]]:
    """The head, the tensor that it takes, and the layers after it."""
    tensor = model.outputs[0]
    after: list[keras.Layer] = []
    while True:
        layer, node, _ = tensor._keras_history
        if isinstance(layer, keras.layers.Dense):
            return layer, layer._inbound_nodes[node].input_tensors[0], after[::-1]
        if not isinstance(layer, _AFTER):
            raise HeadError(
                f"The output of {model.name!r} comes from {layer.name!r}, a "
                f"{type(layer).__name__}; a head that can be replaced is a Dense layer, followed "
                "at most by an activation."
            )
        after.append(layer)
        tensor = layer._inbound_nodes[node].input_tensors[0]


def start_anew(model: keras.Model) -> keras.Model:
    """The same architecture with fresh weights, drawn by Keras's global seed."""
    return fresh(model)


def freeze_body(model: keras.Model, head: str) -> None:
    """Leaves only the layer `head` to training; BatchNorm keeps its statistics."""
    for layer in model.layers:
        layer.trainable = layer.name == head


def thaw(model: keras.Model) -> None:
    """Gives every layer to training again."""
    for layer in model.layers:
        layer.trainable = True
