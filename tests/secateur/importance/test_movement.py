from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance import score
from secateur.importance.movement import Movement
from secateur.models.weights import prunable_weights
from tests.secateur.importance.zoo import MODELS, examples, randomize

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _model(optimizer: str = "sgd") -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), L.Dropout(0.3, seed=1), L.Dense(3)])
    model.compile(optimizer=optimizer, loss=LOSS, jit_compile=False)
    return model


def _by_hand(model: keras.Model, x: np.ndarray, y: np.ndarray, steps: int) -> np.ndarray:
    """Softmax regression on whole batches, with plain gradient descent."""
    kernel, bias = (w.numpy().astype("float64") for w in model.weights)
    total = np.zeros_like(kernel)
    for _ in range(steps):
        logits = x @ kernel + bias
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        error = (shares - np.eye(3)[y]) / len(y)
        gradient = x.T @ error
        total -= gradient * kernel
        kernel -= 0.01 * gradient
        bias -= 0.01 * error.sum(0)
    return total - total.min()


def test_gathered_during_fit() -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=LOSS)
    x, y = examples(model, 12)
    model.fit(x, y, batch_size=12, verbose=0)  # a step traced before must not be used again
    wanted = _by_hand(model, x, y, 5)
    movement = Movement(model)
    with movement.gathering():
        model.fit(x, y, batch_size=12, epochs=5, verbose=0)
    first = movement.finish()
    np.testing.assert_allclose(first[prunable_weights(model)[0].path], wanted, rtol=1e-3, atol=1e-6)
    model.fit(x, y, batch_size=12, epochs=1, verbose=0)  # no longer observed
    np.testing.assert_array_equal(*movement.finish().values(), *first.values())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_as_a_criterion_leaves_the_model(optimizer: str) -> None:
    model = _model(optimizer)
    before = [v.numpy() for v in model.variables]
    x, y = examples(model, 100)
    first, second = (score(model, (x, y), "movement", seed=3) for _ in range(2))
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.variables, strict=True))
    for path, array in first.items():
        assert array.min() == 0
        assert array.max() > 0
        np.testing.assert_array_equal(array, second[path])


KINDS = ("conv2d", "depthwise2d", "conv1d_transpose", "embedding", "lstm", "attention", "shared")


@pytest.mark.parametrize("name", [*KINDS, "einsum_dense_heads", "nested", "tied"])
def test_as_a_criterion_equals_a_loop(name: str) -> None:
    """One epoch of gradient descent, written out, on the batches that the seed gives."""
    model = randomize(MODELS[name]())
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss=LOSS)
    x, y = examples(model, 10)
    scores = score(model, (x, y), "movement", batch_size=4, seed=7)
    order = np.arange(10)
    np.random.default_rng(7).shuffle(order)
    weights = prunable_weights(model)
    totals = {w.path: np.zeros(w.variable.shape) for w in weights}
    for low in range(0, 10, 4):
        rows = order[low : low + 4]
        with tf.GradientTape() as tape:
            loss = LOSS(y[rows], model(tf.gather(x, rows), training=True))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [v.value for v in variables])
        steps = {
            id(v): tf.convert_to_tensor(g).numpy()
            for v, g in zip(variables, gradients, strict=True)
        }
        for weight in weights:
            totals[weight.path] -= weight.variable.numpy() * steps[id(weight.variable)]
        for variable in variables:
            variable.assign(variable.numpy() - 0.05 * steps[id(variable)])
    least = min(total.min() for total in totals.values())
    for path, total in totals.items():
        np.testing.assert_allclose(scores[path], total - least, rtol=1e-3, atol=1e-5)


def test_nothing_observed() -> None:
    with pytest.raises(ValueError, match="No training step"):
        Movement(_model()).finish()


def test_no_optimizer() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    with pytest.raises(ValueError, match="compile"), Movement(model).gathering():
        pass


def test_layers_that_are_left_alone_are_told():
    layers = [keras.layers.Dense(5, name="a"), keras.layers.Dense(3, name="b")]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.get_layer("a").enable_lora(2)
    model.compile("sgd", LOSS)
    movement = Movement(model)
    with movement.gathering():
        model.fit(np.ones((8, 6)), np.arange(8) % 3, verbose=0)
    scores = movement.finish()
    assert list(scores) == ["b/kernel"]
    assert any("LoRA is enabled: a" in notice for notice in scores.notices)
    found = score(model, (np.ones((8, 6), "float32"), np.arange(8) % 3), "movement")
    assert sum("LoRA is enabled: a" in notice for notice in found.notices) == 1
