"""Keras -> LiteRT."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from secateur.evaluation.runtimes.runner import Inputs, by_name, length
from secateur.export.quantization import CALIBRATED, Quantization
from secateur.models.weights import flat_layers
from secateur.silence import no_standard_error

LIMIT = (1 << 31) - 1
"""Bytes of a FlatBuffer at most, which a LiteRT file is."""


def convert(
    model: keras.Model,
    *,
    batch: int | None = None,
    quantize: Quantization | None = None,
    examples: Inputs | None = None,
    sparse: bool = False,
) -> bytes:
    """Converts a model with its weights as constants; inputs and outputs stay as they are.

    Args:
        model: A built model.
        batch: The only size of a batch that the file takes; None for any.
        quantize: `dynamic_int8` stores kernels as 8-bit integers, and computes with integers whose
            ranges are found at run time; `int8` and `int16x8` compute with 8-bit kernels and
            activations of 8 or 16 bits, whose ranges `examples` give; `float16` stores kernels
            in half precision. All are symmetric for kernels: zeros stay zero.
        examples: Inputs for calibration, along the first axis; a dict of them by name where the
            model has several.
        sparse: Store kernels in LiteRT's sparse encoding where it finds them sparse enough.

    Returns:
        The content of the `.tflite` file.

    Raises:
        ValueError: One sentence: too large, or an operation that LiteRT does not have.
    """
    _check_size(model)
    frozen = convert_variables_to_constants_v2(_traced(model, batch), lower_control_flow=False)
    try:
        with no_standard_error(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
            _set_optimizations(converter, quantize, sparse)
            if quantize in CALIBRATED:
                assert examples is not None
                names = _names(model)
                converter.representative_dataset = lambda: _batches(examples, batch or 1, names)
            return converter.convert()
    except Exception as error:  # the converter's errors share no class
        raise ValueError(_explained(error)) from error


def _traced(model: keras.Model, batch: int | None) -> Any:
    """The forward pass as a concrete function of its inputs, which keep their names."""
    specs = [
        tf.TensorSpec((batch, *x.shape[1:]), x.dtype, name=name)
        for x, name in zip(model.inputs, _names(model), strict=True)
    ]

    def call(*inputs: Any) -> dict[str, Any]:
        # A Sequential has no `input` before it is called, and takes only one.
        one = len(inputs) == 1 and not isinstance(getattr(model, "_inputs_struct", 0), dict)
        x = inputs[0] if one else keras.tree.pack_sequence_as(model.input, inputs)
        outputs = keras.tree.flatten(model(x, training=False))
        return {f"output_{number}": y for number, y in enumerate(outputs)}

    with _constant_shapes(model):
        return tf.function(call, input_signature=specs).get_concrete_function()


@contextlib.contextmanager
def _constant_shapes(model: keras.Model) -> Iterator[None]:
    """Has Flatten and Reshape infer the size of the batch, where Keras has it computed.

    Computing it takes three operations more, and splits what XNNPACK runs in one piece.
    """
    layers = [
        x for x in flat_layers(model) if type(x) in (keras.layers.Flatten, keras.layers.Reshape)
    ]
    for layer in layers:
        layer.call = functools.partial(_reshaped, layer, layer.call)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _reshaped(layer: keras.Layer, call: Callable[[Any], Any], x: Any) -> Any:
    shape = layer.compute_output_shape(x.shape)[1:]
    turned = getattr(layer, "data_format", None) == "channels_first" and len(x.shape) > 2
    return call(x) if turned or None in shape else tf.reshape(x, (-1, *shape))


def _names(model: keras.Model) -> list[str]:
    """Of the inputs, in the order of `model.inputs`."""
    names = [re.sub(r"\W", "_", x.name) for x in model.inputs]
    return names if len(set(names)) == len(names) else [f"input_{i}" for i in range(len(names))]


def _set_optimizations(converter: Any, quantize: Quantization | None, sparse: bool) -> None:
    ops = tf.lite.OpsSet
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif quantize == "int8":
        converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
    elif quantize == "int16x8":
        converter.target_spec.supported_ops = [
            ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if sparse:
        converter.optimizations = [
            *converter.optimizations,
            tf.lite.Optimize.EXPERIMENTAL_SPARSITY,
        ]


def _batches(examples: Inputs, size: int, names: list[str]) -> Iterator[list[np.ndarray]]:
    arrays = by_name(examples, names)
    for start in range(0, length(examples) - size + 1, size):
        yield [array[start : start + size] for array in arrays]


def weight_bytes(weight: keras.Variable) -> int:
    """Bytes that a weight takes."""
    return int(np.prod(weight.shape)) * tf.as_dtype(weight.dtype).size


def _check_size(model: keras.Model) -> None:
    size = sum(weight_bytes(weight) for weight in model.weights)
    if size > LIMIT:
        raise ValueError(
            f"The model's weights take {size:,} bytes, and a LiteRT file holds at most {LIMIT:,}; "
            "export it as onnx or saved_model, or prune its structure (target.pattern channel)."
        )


def _explained(error: Exception) -> str:
    """One sentence of the converter's many lines: the operations that are in the way."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        for known in ("TF Select ops:", "Custom ops:"):
            if line.startswith(known):
                named = line.removeprefix(known).strip()
                return (
                    f"LiteRT has no operation for {named}; leave litert out of export.formats, or "
                    "build the model of other layers."
                )
    return f"LiteRT's converter refuses the model: {(lines or [type(error).__name__])[0]}"
