"""L_i is what the loss gives for a batch of example i alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance.losses import example_losses

L = keras.layers


def _dense(units: int = 3, **compile_options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), L.Dense(units)])
    if compile_options:
        model.compile(**compile_options)
    return model


def _by_one(loss: Any, y: Any, predictions: Any, mask: Any = None) -> np.ndarray:
    values = []
    for i in range(len(y)):
        one = tf.identity(predictions[i : i + 1])
        if mask is not None:
            one._keras_mask = mask[i : i + 1]
        values.append(float(loss(y[i : i + 1], one)))
    return np.array(values)


LOSSES = {
    "sparse": (keras.losses.SparseCategoricalCrossentropy(from_logits=True), (5,), (5, 3), 3),
    "sparse_column": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        (5, 1),
        (5, 3),
        3,
    ),
    "mse": (keras.losses.MeanSquaredError(), (5, 3), (5, 3), 0),
    "mse_column": (keras.losses.MeanSquaredError(), (5,), (5, 1), 0),
    "binary": (keras.losses.BinaryCrossentropy(from_logits=True), (5, 1), (5, 1), 2),
    "sequence": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        (5, 6),
        (5, 6, 3),
        3,
    ),
    "sequence_sum": (keras.losses.MeanSquaredError(reduction="sum"), (5, 6, 2), (5, 6, 2), 0),
    "image": (keras.losses.MeanAbsoluteError(), (5, 4, 4, 2), (5, 4, 4, 2), 0),
    "dice": (keras.losses.Dice(), (5, 4, 4, 1), (5, 4, 4, 1), 2),
    "dice_axes": (keras.losses.Dice(axis=(1, 2, 3)), (5, 4, 4, 1), (5, 4, 4, 1), 2),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("masked", [False, True])
def test_equals_a_batch_of_one(name: str, masked: bool) -> None:
    loss, label_shape, shape, classes = LOSSES[name]
    if masked and not name.startswith("sequence"):
        pytest.skip("only sequences are masked")
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, label_shape) if classes else rng.normal(size=label_shape)
    y = y.astype("float32" if "dice" in name or not classes else "int64")
    predictions = tf.constant(rng.uniform(0.1, 0.9, shape), tf.float32)
    mask = tf.constant(rng.uniform(size=(5, 6)) < 0.6) if masked else None
    if masked:
        predictions._keras_mask = mask
    values = example_losses(_dense(), loss)(y, predictions, None)
    assert values.shape == (5,)
    np.testing.assert_allclose(values, _by_one(loss, y, predictions, mask), rtol=1e-5)


def test_names_functions_and_compiled() -> None:
    y, predictions = np.eye(3, dtype="float32"), tf.constant(np.full((3, 3), 0.2, "float32"))
    wanted = ((y - 0.2) ** 2).mean(1)

    def own(labels: Any, outputs: Any) -> Any:
        return keras.ops.mean((labels - outputs) ** 2, axis=-1)

    for losses in (
        example_losses(_dense(), "mse"),
        example_losses(_dense(), own),
        example_losses(_dense(loss="mse")),
    ):
        np.testing.assert_allclose(losses(y, predictions, None), wanted, rtol=1e-6)


def test_sample_weights() -> None:
    y, predictions = np.zeros((2, 3), "float32"), tf.ones((2, 3))
    values = example_losses(_dense(), "mse")(y, predictions, np.array([0.5, 2.0]))
    np.testing.assert_allclose(values, [0.5, 2.0])


def _two(outputs: Any) -> keras.Model:
    x = keras.Input((4,))
    a, b = L.Dense(2, name="a")(x), L.Dense(3, name="b")(x)
    return keras.Model(x, {"a": a, "b": b} if outputs is dict else [a, b])


@pytest.mark.parametrize("outputs", [list, dict])
@pytest.mark.parametrize("given", [list, dict])
def test_several_outputs(outputs: Any, given: Any) -> None:
    model = _two(outputs)
    losses: Any = {"a": "mse", "b": "mae"}
    weights: Any = {"a": 2.0, "b": 0.5}
    if given is list:
        losses, weights = list(losses.values()), list(weights.values())
    model.compile(loss=losses, loss_weights=weights)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4)).astype("float32")
    y = {"a": rng.normal(size=(5, 2)), "b": rng.normal(size=(5, 3))}
    predictions = model(x)
    labels = y if given is dict else list(y.values())
    values = example_losses(model)(labels, predictions, None)
    a, b = predictions.values() if outputs is dict else predictions
    wanted = 2 * ((y["a"] - a) ** 2).numpy().mean(1) + 0.5 * np.abs(y["b"] - b).mean(1)
    np.testing.assert_allclose(values, wanted, rtol=1e-5)


def test_no_loss() -> None:
    with pytest.raises(ValueError, match="pass loss="):
        example_losses(_dense())


def test_labels_that_do_not_fit() -> None:
    model = _two(list)
    with pytest.raises(ValueError, match="2 outputs"):
        example_losses(model, "mse")(np.zeros((5, 2)), model(np.zeros((5, 4))), None)
    with pytest.raises(ValueError, match="name"):
        example_losses(model, {"c": "mse"})([0, 0], model(np.zeros((5, 4))), None)
