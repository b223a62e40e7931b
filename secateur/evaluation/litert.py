"""A Keras model in LiteRT."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from secateur.evaluation.flops import graph_of


def convert(model: keras.Model, size: int = 1) -> bytes:
    """The LiteRT file of a model for batches of one size.

    With a fixed size, and with the weights as constants, LSTM and the like need no operations of
    TensorFlow's own.

    Args:
        model: A built Functional or Sequential model.
        size: Examples in a batch.

    Raises:
        ValueError: If LiteRT has no operations for what the model does.
    """
    structure = input_structure(model)
    specs = [
        tf.TensorSpec((size, *x.shape[1:]), x.dtype, name=f"input_{i}")
        for i, x in enumerate(keras.tree.flatten(structure))
    ]

    def call(*inputs: Any) -> Any:
        x = keras.tree.pack_sequence_as(structure, list(inputs))
        outputs = keras.tree.flatten(model(x, training=False))
        return {f"output_{i}": y for i, y in enumerate(outputs)}

    concrete = tf.function(call, input_signature=specs).get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    try:
        return tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
    except Exception as error:  # whatever the converter raises for what it does not know
        raise ValueError(
            f"'{model.name}' cannot be converted to LiteRT: {str(error).splitlines()[0]}"
        ) from error


def input_structure(model: keras.Model) -> Any:
    """The symbolic inputs of a model, in the structure that it takes them in."""
    graph = graph_of(model)
    if graph is None:
        raise ValueError(f"'{model.name}' is not a Functional or Sequential model.")
    return graph._inputs_struct


class Runner:
    """Runs a LiteRT file.

    Args:
        content: The file's bytes.
        threads: How many threads XNNPACK may use.
    """

    def __init__(self, content: bytes, threads: int = 1):
        with warnings.catch_warnings():
            # TensorFlow will leave its interpreter to the package ai-edge-litert one day.
            warnings.simplefilter("ignore", UserWarning)
            self.interpreter = tf.lite.Interpreter(model_content=content, num_threads=threads)
        self.interpreter.allocate_tensors()
        details = self.interpreter.get_input_details()
        self.inputs = [d["index"] for d in sorted(details, key=lambda d: d["name"])]

    def __call__(self, x: Any) -> list[np.ndarray]:
        """The outputs for inputs in the structure of the model's."""
        for index, value in zip(self.inputs, keras.tree.flatten(x), strict=True):
            self.interpreter.set_tensor(index, value)
        self.invoke()
        return [
            self.interpreter.get_tensor(d["index"]) for d in self.interpreter.get_output_details()
        ]

    def invoke(self) -> None:
        """Once more on the same inputs."""
        self.interpreter.invoke()
