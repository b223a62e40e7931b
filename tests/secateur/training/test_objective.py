"""Logits or probabilities: the loss fits what the model gives."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.training.objective import classification_loss, compile_for

layers = keras.layers


def _functional(outputs):
    inputs = keras.Input((4,))
    return keras.Model(inputs, outputs(inputs))


def _nested(activation):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=activation)])
    return keras.Sequential([keras.Input((4,)), layers.Dense(4), inner])


class Subclassed(keras.Model):
    def __init__(self, activation):
        super().__init__()
        self.dense = layers.Dense(3, activation=activation)

    def call(self, inputs):
        return self.dense(inputs)


LOGITS = {
    "dense": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3)]),
    "softmax inside": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Softmax(), layers.Dense(3)]
    ),
    "scaled": lambda: _functional(lambda x: layers.Dense(3)(x) * 2),
    "nested": lambda: _nested(None),
    "subclassed": lambda: Subclassed(None),
}
PROBABILITIES = {
    "dense": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")]),
    "activation": lambda: _functional(lambda x: layers.Activation("softmax")(layers.Dense(3)(x))),
    "layer": lambda: _functional(lambda x: layers.Softmax()(layers.Dense(3)(x))),
    "operation": lambda: _functional(lambda x: keras.ops.softmax(layers.Dense(3)(x))),
    "nested": lambda: _nested("softmax"),
    "subclassed": lambda: Subclassed("softmax"),
}


def _case(make):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    model = make()
    return model, np.arange(20) % 3, model(x).numpy().astype(np.float64)


@pytest.mark.parametrize("make", LOGITS.values(), ids=LOGITS)
def test_logits_go_through_a_softmax_first(make):
    model, y, outputs = _case(make)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(20), y]).mean()
    assert float(classification_loss(model)(y, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", PROBABILITIES.values(), ids=PROBABILITIES)
def test_probabilities_do_not(make):
    model, y, outputs = _case(make)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    expected = -np.log(outputs[np.arange(20), y]).mean()
    assert float(classification_loss(model)(y, outputs)) == pytest.approx(expected, rel=1e-5)


def test_a_model_is_compiled_with_a_fresh_adam():
    model = LOGITS["dense"]()
    compile_for(model, keras.optimizers.Adam(0.25), steps_per_execution=3)
    first = model.optimizer
    assert isinstance(first, keras.optimizers.Adam)
    assert float(first.learning_rate) == 0.25
    assert (model.steps_per_execution, model.jit_compile) == (3, False)
    compile_for(model, keras.optimizers.Adam(0.25))
    assert model.optimizer is not first
