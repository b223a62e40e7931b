"""`wanda` against its definition: x is the derivative of what a layer sums up by the weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance import score
from tests.secateur.importance.zoo import MODELS, Own, examples, randomize

L = keras.layers
LAYERS: dict[str, tuple[tuple[int, ...], Callable[[], Any]]] = {
    "dense": ((6,), lambda: L.Dense(3)),
    "dense_on_sequence": ((4, 6), lambda: L.Dense(3)),
    "conv1d": ((7, 3), lambda: L.Conv1D(4, 3, strides=2, padding="same")),
    "conv1d_causal": ((7, 3), lambda: L.Conv1D(4, 3, padding="causal")),
    "conv2d": ((4, 5, 2), lambda: L.Conv2D(2, (3, 2), padding="same")),
    "conv2d_groups": ((5, 5, 4), lambda: L.Conv2D(4, 3, groups=2)),
    "conv3d": ((4, 4, 4, 2), lambda: L.Conv3D(3, 2, strides=2)),
    "depthwise": ((4, 4, 2), lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
    "transpose": ((3, 3, 2), lambda: L.Conv2DTranspose(2, 3, strides=2, padding="same")),
    "einsum": ((4, 6), lambda: L.EinsumDense("abc,cde->abde", (4, 2, 3))),
    "einsum_grouped": ((4, 6), lambda: L.EinsumDense("abc,bcd->abd", (4, 3))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_wanda_equals_jacobian(name: str) -> None:
    shape, build = LAYERS[name]
    layer = build()
    model = randomize(keras.Sequential([keras.Input(shape), layer]))
    x, _ = examples(model, 3)
    with tf.GradientTape(persistent=True) as tape:
        out = model(x)
    jacobian = tape.jacobian(out, layer.kernel.value, experimental_use_pfor=False).numpy()
    norms = (jacobian**2).reshape(-1, *layer.kernel.shape).sum(0)
    # A weight has a part in one output of each position, so this sums over the positions.
    wanted = np.abs(layer.kernel.numpy()) * np.sqrt(norms)
    scores = score(model, (x, None), "wanda", batch_size=2)
    np.testing.assert_allclose(next(iter(scores.values())), wanted, rtol=1e-4)


def test_embedding_counts_lookups() -> None:
    model = randomize(keras.Sequential([keras.Input((4,), dtype="int32"), L.Embedding(9, 3)]))
    x = np.array([[0, 1, 1, 8], [1, 2, 8, 0]])
    (scores,) = score(model, (x, None), "wanda").values()
    count = np.bincount(x.ravel(), minlength=9)
    wanted = np.abs(model.layers[0].embeddings.numpy()) * np.sqrt(count)[:, None]
    np.testing.assert_allclose(scores, wanted, rtol=1e-5)


def test_recurrent_states_are_inputs() -> None:
    model = randomize(keras.Sequential([keras.Input((5, 3)), L.SimpleRNN(4)]))
    x, _ = examples(model, 6)
    kernel, recurrent, bias = (w.numpy() for w in model.weights)
    state, squares = np.zeros((6, 4)), np.zeros(4)
    for t in range(5):
        squares += (state**2).sum(0)
        state = np.tanh(x[:, t] @ kernel + state @ recurrent + bias)
    scores = list(score(model, (x, None), "wanda").values())
    norms = np.sqrt((x**2).sum((0, 1)))[:, None]
    np.testing.assert_allclose(scores[0], np.abs(kernel) * norms, rtol=1e-4)
    np.testing.assert_allclose(scores[1], np.abs(recurrent) * np.sqrt(squares)[:, None], rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_layer_has_inputs(name: str) -> None:
    model = randomize(MODELS[name]())
    scores = score(model, examples(model), "wanda")
    left_out = {"conv_lstm": 2, "own_layer": 1, "own_dense": 1, "tied": 1}.get(name, 0)
    assert len(score(model, criterion="magnitude")) - len(scores) == left_out
    assert bool(scores.notices) == bool(left_out)


def test_unknown_layer_is_named() -> None:
    model = keras.Sequential([keras.Input((4,)), Own(name="mine"), L.Dense(3)])
    scores = score(model, examples(model), "wanda")
    assert len(scores) == 1
    assert "mine" in scores.notices[0]
