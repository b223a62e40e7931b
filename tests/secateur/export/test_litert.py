"""What Keras gives LiteRT."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from secateur.export.litert import convert

L = keras.layers


@pytest.mark.parametrize("batch", [1, 3])
def test_shapes_are_constants_whatever_the_batch(batch):
    """Flatten and Reshape need one operation each, and the model is as it was."""
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(4, 3), L.Reshape((9, 4, -1)), L.ReLU(), L.Flatten(), L.Dense(5)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers])
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # a delegate hides operations
    interpreter = Interpreter(model_content=convert(model), experimental_op_resolver_type=plain)
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], (batch, 8, 8, 2))
    interpreter.allocate_tensors()
    names = {each["op_name"] for each in interpreter._get_ops_details()}
    assert "RESHAPE" in names
    assert not names & {"SHAPE", "PACK", "STRIDED_SLICE"}
    x = np.random.default_rng(0).normal(size=(batch, 8, 8, 2)).astype("float32")
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(made["index"])
    np.testing.assert_allclose(found, model(x), rtol=1e-4, atol=1e-5)
    assert not any("call" in vars(layer) for layer in layers)
