"""The criteria of gradients against one GradientTape after the other."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from secateur.importance import score
from secateur.importance.gradients import engine
from secateur.models.weights import prunable_weights
from tests.secateur.importance.zoo import MODELS, examples, gradients_by_loop, randomize

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
COMPILED = {"conv3d_channels_first", "conv1d_groups", "conv2d_groups"}  # anew at each call
SLOW_WAY = {"conv_lstm", "own_layer", "own_dense", "tied"}


@pytest.mark.parametrize("name", MODELS)
def test_equals_loop(name: str) -> None:
    model = randomize(MODELS[name]())
    x, y = examples(model, 3 if name in COMPILED else 9)
    loop = gradients_by_loop(model, x, y, LOSS)
    value = {w.path: w.variable.numpy().astype("float64") for w in prunable_weights(model)}
    signed = {path: value[path] * rows.sum(0) for path, rows in loop.items()}
    connections = sum(np.abs(sensitivity).sum() for sensitivity in signed.values())
    expected = {
        "gradient": {path: np.abs(rows).sum(0) for path, rows in loop.items()},
        "taylor": {path: np.abs(value[path] * rows).sum(0) for path, rows in loop.items()},
        "fisher": {path: (value[path] ** 2 * rows**2).sum(0) for path, rows in loop.items()},
        "taylor_signed": {path: part**2 for path, part in signed.items()},
        "snip": {path: np.abs(part) / connections for path, part in signed.items()},
    }
    for criterion, wanted in expected.items():
        scores = score(model, (x, y), criterion, loss=LOSS)
        assert list(scores) == list(loop)
        for path, array in wanted.items():
            assert scores[path].dtype == np.float32
            assert array.max() > 0
            np.testing.assert_allclose(
                scores[path], array, rtol=1e-4, atol=2e-5 * array.max(), err_msg=path
            )
        if criterion in ("gradient", "taylor", "fisher"):
            slow = any("closed form" in notice for notice in scores.notices)
            assert slow == (name in SLOW_WAY)


@pytest.mark.parametrize("name", ["dense", "conv2d", "lstm", "attention", "tied", "shared"])
def test_batches_do_not_matter(name: str) -> None:
    model = randomize(MODELS[name]())
    x, y = examples(model, 23)
    whole = score(model, (x, y), "gradient", loss=LOSS)
    parts = score(model, (x, y), "gradient", loss=LOSS, batch_size=4)
    for path in whole:
        np.testing.assert_allclose(whole[path], parts[path], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", "float64"])
def test_other_precisions(dtype: str) -> None:
    precise = randomize(_small("float32"), 3)
    model = _small(dtype)
    for variable, other in zip(model.weights, precise.weights, strict=True):
        variable.assign(keras.ops.cast(other, variable.dtype))
    x, y = examples(precise, 20)
    scores = score(model, (x, y), "gradient", loss=LOSS)
    tolerance = {"float16": 0.02, "float64": 1e-4}.get(dtype, 0.1)
    for array, wanted in zip(
        scores.values(), gradients_by_loop(precise, x, y, LOSS).values(), strict=True
    ):
        wanted = np.abs(wanted).sum(0)
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, wanted, atol=tolerance * wanted.max())
    assert not scores.notices
    for criterion in (
        "magnitude",
        "fisher",
        "snip",
        "wanda",
        "activation",
        "activation_mean",
        "fpgm",
    ):
        found = score(model, (x, y), criterion, loss=LOSS)
        exact = score(precise, (x, y), criterion, loss=LOSS)
        for array, wanted in zip(found.values(), exact.values(), strict=True):
            np.testing.assert_allclose(array, wanted, atol=2 * tolerance * wanted.max())


@pytest.mark.parametrize("name", ["dense", "attention", "tied", "own_layer"])
def test_a_closed_form_is_tried_once_for_each_model_and_use(name: str, monkeypatch: Any) -> None:
    tried = []
    prove = engine._prove

    def counted(run: Any, *rest: Any) -> Any:
        tried.append(run)
        return prove(run, *rest)

    monkeypatch.setattr(engine, "_prove", counted)
    model = randomize(MODELS[name]())
    x, y = examples(model, 12)
    first = score(model, (x, y), "gradient", loss=LOSS)
    again = score(model, (x, y), "fisher", loss=LOSS)
    assert len(tried) == (1 if name in ("dense", "attention") else 2)  # own code may change its way
    assert first.notices == again.notices
    score(model, (x, y), "gradient", loss=LOSS, batch_size=3)
    other = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    score(model, (x, y), "gradient", loss=other)
    assert len(tried) == (3 if name in ("dense", "attention") else 4)


def _small(dtype: str) -> keras.Model:
    layer = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layer.Conv2D(3, 3, activation="relu", dtype=dtype),
            layer.Flatten(dtype=dtype),
            layer.Dense(3, dtype=dtype),
        ]
    )


def test_built_in_sizes() -> None:
    """The article's perceptron and LeNet-5, on a few real-sized images."""
    layer = keras.layers
    perceptron = [layer.Flatten(), layer.Dense(64, "relu"), layer.Dense(32, "relu")]
    lenet = [
        layer.Conv2D(6, 5, padding="same", activation="tanh"),
        layer.AveragePooling2D(2),
        layer.Conv2D(16, 5, activation="tanh"),
        layer.AveragePooling2D(2),
        layer.Flatten(),
        layer.Dense(120, "tanh"),
        layer.Dense(84, "tanh"),
    ]
    for layers in (perceptron, lenet):
        model = keras.Sequential([keras.Input((28, 28, 1)), *layers, layer.Dense(10)])
        x, y = examples(model, 20)
        scores = score(model, (x, y), "gradient", loss=LOSS)
        for path, rows in gradients_by_loop(model, x, y, LOSS).items():
            wanted = np.abs(rows).sum(0)
            np.testing.assert_allclose(scores[path], wanted, rtol=1e-4, atol=1e-6 * wanted.max())


def test_model_is_left_as_it_was() -> None:
    model = randomize(MODELS["batchnorm_dropout"]())
    before = [v.numpy() for v in model.variables]
    attributes = [sorted(layer.__dict__) for layer in model.layers]
    calls = [layer.call for layer in model.layers]
    score(model, examples(model), "gradient", loss=LOSS)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.variables, strict=True))
    assert attributes == [sorted(layer.__dict__) for layer in model.layers]
    assert calls == [layer.call for layer in model.layers]


def test_frozen_layers_and_dead_ends() -> None:
    x = keras.Input((4,))
    used = keras.layers.Dense(3, name="used", trainable=False)(x)
    unused = keras.layers.Dense(3, name="unused")(x)
    model = randomize(keras.Model(x, [used, unused]))
    data = examples(model)[0], [np.zeros(9, int), np.zeros(9, int)]
    scores = score(model, data, "gradient", loss=[LOSS, None])
    assert scores["used/kernel"].min() > 0
    assert not scores["unused/kernel"].any()
    assert any("unused/kernel" in notice for notice in scores.notices)
