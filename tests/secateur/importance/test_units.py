"""The criteria of units, and pooling, against their definitions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance import score, score_units
from secateur.importance.criteria.entropy import BINS
from secateur.importance.units import unit_map
from secateur.models.weights import prunable_weights
from tests.secateur.importance.zoo import MODELS, examples, randomize
from tests.secateur.proof.scored import MODELS as SCORED

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
UNIT_CRITERIA = ("activation", "activation_mean", "apoz", "entropy")


def _convolutional() -> tuple[keras.Model, list[str]]:
    """A model, and for each weight the layer whose output its units are watched at."""
    x = keras.Input((6, 6, 2))
    y = L.ReLU(name="act")(L.BatchNormalization(name="norm")(L.Conv2D(4, 3, name="first")(x)))
    y = L.DepthwiseConv2D(2, depth_multiplier=2, activation="relu", name="depth")(y)
    y = L.Dropout(0.5)(L.Conv2DTranspose(3, 2, name="up")(y))
    y = keras.ops.relu(y)
    raw = y
    y = L.Dense(3, name="last")(L.Flatten()(L.MaxPooling2D(2)(y)))
    model = randomize(keras.Model(x, y), 1)
    ends = {
        "first/kernel": model.get_layer("act").output,
        "depth/kernel": model.get_layer("depth").output,
        "up/kernel": raw,
        "last/kernel": y,
    }
    return model, ends


def _reference(model: keras.Model, ends: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
    """Activations and their gradients one by one: (examples, positions, units)."""
    paths = list(ends)
    split = {}
    for path in paths:
        values, gradients = [], []
        to = keras.Model(model.input, ends[path])
        last = ends[path] is model.output
        rest = keras.layers.Identity() if last else keras.Model(ends[path], model.output)
        for i in range(len(y)):
            activation = to(x[i : i + 1], training=False)
            with tf.GradientTape() as tape:
                tape.watch(activation)
                loss = LOSS(y[i : i + 1], rest(activation, training=False))
            values.append(activation.numpy().reshape(-1, activation.shape[-1]))
            gradient = tape.gradient(loss, activation).numpy()
            gradients.append(gradient.reshape(-1, activation.shape[-1]))
        split[path] = np.stack(values), np.stack(gradients)
    return split


def _entropy(values: np.ndarray) -> np.ndarray:
    means = values.mean(1)
    entropies = []
    for unit in means.T:
        counts, _ = np.histogram(unit, BINS, (unit.min(), unit.max()))
        shares = counts[counts > 0] / counts.sum()
        entropies.append(-(shares * np.log(shares)).sum() if unit.max() > unit.min() else 0)
    return np.array(entropies)


def test_convolutional_units() -> None:
    model, ends = _convolutional()
    x, y = examples(model, 11)
    reference = _reference(model, ends, x, y)
    definitions = {
        "activation": lambda a, g: np.abs(g).sum((0, 1)),
        "activation_mean": lambda a, g: np.abs(a).mean((0, 1)),
        "apoz": lambda a, g: 1 - (a == 0).mean((0, 1)),
        "entropy": lambda a, g: _entropy(a),
    }
    for criterion, definition in definitions.items():
        scores = score_units(model, (x, y), criterion, loss=LOSS, batch_size=4)
        assert list(scores) == list(ends)
        for path, (values, gradients) in reference.items():
            wanted = definition(values, gradients)
            np.testing.assert_allclose(
                scores[path], wanted, rtol=1e-4, atol=1e-5, err_msg=f"{criterion} {path}"
            )


@pytest.mark.parametrize("name", ["windows", "siamese", "time_major"])
def test_entropy_where_the_first_axis_is_not_the_examples(name: str) -> None:
    """Each example by itself, all of its rows and positions averaged."""
    rng = np.random.default_rng(0)
    model = randomize(SCORED[name]())
    x = rng.normal(size=(12, *model.input_shape[1:])).astype("float32")
    found = score_units(model, (x, None), "entropy", batch_size=4)
    inside = keras.Model(model.inputs, model.layers[-1].input)
    dense = next(layer for layer in model.layers if isinstance(layer, L.Dense))
    watched = keras.Model(model.inputs, dense.output)
    means = np.stack(
        [np.asarray(watched(x[i : i + 1])).reshape(-1, dense.units).mean(0) for i in range(12)]
    )
    np.testing.assert_allclose(
        found[f"{dense.name}/kernel"], _entropy(means[:, None]), rtol=1e-4, atol=1e-5
    )
    last = np.asarray(inside(x)) @ np.array(model.layers[-1].kernel)
    last = last + np.array(model.layers[-1].bias)
    np.testing.assert_allclose(
        found[f"{model.layers[-1].name}/kernel"], _entropy(last[:, None]), rtol=1e-4, atol=1e-5
    )
    (check,) = found.checks
    assert "one by one" in check.statement
    assert any(f"{dense.name}/kernel" in notice for notice in found.notices)


def test_entropy_is_proved_on_a_few_examples() -> None:
    model, _ = _convolutional()
    found = score_units(model, (examples(model, 11)[0], None), "entropy")
    (check,) = found.checks
    assert (check.subject, check.examples) == ("scores", 7)
    assert check.difference <= check.tolerance
    assert not found.notices


def test_recurrent_units() -> None:
    """A state acts on the loss through all later steps."""
    model = randomize(keras.Sequential([keras.Input((4, 3)), L.SimpleRNN(5), L.Dense(3)]))
    x, y = examples(model, 6)
    kernel, recurrent, bias, *_ = (w.numpy() for w in model.weights)
    wanted = np.zeros(5)
    for i in range(6):
        with tf.GradientTape(persistent=True) as tape:
            state, states = tf.zeros((1, 5)), []
            for t in range(4):
                state = tf.tanh(x[i : i + 1, t] @ kernel + state @ recurrent + bias)
                tape.watch(state)
                states.append(state)
            loss = LOSS(y[i : i + 1], model.layers[-1](state))
        for gradient in tape.gradient(loss, states):
            wanted += np.abs(gradient.numpy()[0])
    scores = score_units(model, (x, y), "activation", loss=LOSS)
    for path in list(scores)[:2]:
        np.testing.assert_allclose(scores[path], wanted, rtol=1e-4)


def test_heads_are_units() -> None:
    model = randomize(MODELS["attention"]())
    units = unit_map(model, prunable_weights(model))
    sizes = {path.split("/")[-2]: unit.size for path, unit in units.items()}
    assert sizes["query"] == sizes["key"] == sizes["value"] == 2
    assert sizes["attention_output"] == 6
    scores = score_units(model, examples(model), "activation", loss=LOSS)
    assert {path: array.shape for path, array in scores.items()} == {
        path: (unit.size,) for path, unit in units.items()
    }


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("criterion", UNIT_CRITERIA)
def test_every_kind_of_layer_has_units(name: str, criterion: str) -> None:
    model = randomize(MODELS[name]())
    x, y = examples(model, 3)
    scores = score(model, (x, y), criterion, loss=LOSS)
    left_out = {
        "conv_lstm": 2,
        "own_layer": 1,
        "own_dense": 1,
        "separable1d": 1,
        "separable2d": 1,
    }.get(name, 0)
    assert len(prunable_weights(model)) - len(scores) == left_out
    assert bool(scores.notices) == bool(left_out)


def _slow_pool(values: np.ndarray, how: str) -> float:
    return {
        "l1": np.abs(values).sum(),
        "l2": np.sqrt((values**2).sum()),
        "mean": np.abs(values).mean(),
        "max": np.abs(values).max(),
    }[how]


@pytest.mark.parametrize("how", ["l1", "l2", "mean", "max"])
def test_pool_and_spread(how: Any) -> None:
    layers = {
        "dense": ((5,), L.Dense(3), lambda k, u: k[:, u]),
        "conv": ((4, 4, 2), L.Conv2D(3, 2), lambda k, u: k[..., u]),
        "depthwise": (
            (4, 4, 2),
            L.DepthwiseConv2D(2, depth_multiplier=3),
            lambda k, u: k[:, :, u // 3, u % 3],
        ),
        "transpose": ((4, 4, 2), L.Conv2DTranspose(3, 2), lambda k, u: k[:, :, u]),
        "lstm": ((4, 2), L.LSTM(3), lambda k, u: k[:, u::3]),
        "einsum": ((4, 2), L.EinsumDense("abc,cd->abd", (4, 3)), lambda k, u: k[:, u]),
    }
    for name, (shape, layer, part) in layers.items():
        model = randomize(keras.Sequential([keras.Input(shape), layer]))
        weight = prunable_weights(model)[0]
        kernel = np.abs(weight.variable.numpy())
        pooled = score_units(model, criterion="magnitude", pool=how)[weight.path]
        spread = score(model, criterion="magnitude", pool=how)[weight.path]
        for unit, value in enumerate(pooled):
            assert value == pytest.approx(_slow_pool(part(kernel, unit), how), rel=1e-5), name
            assert (part(spread, unit) == value).all(), name


def test_fpgm_and_density() -> None:
    model = randomize(keras.Sequential([keras.Input((5, 5, 2)), L.Conv2D(6, 3)]))
    kernel = model.layers[0].kernel
    value = kernel.numpy()
    value[np.abs(value) < 0.2] *= 1e-4
    value[..., 3] = value[..., 1]
    kernel.assign(value)
    rows = value.reshape(-1, 6).T.astype("float64")
    (fpgm,) = score_units(model, criterion="fpgm").values()
    wanted = [sum(np.linalg.norm(a - b) for b in rows) for a in rows]
    np.testing.assert_allclose(fpgm, wanted, rtol=1e-5)
    for tolerance in (0.0, 1e-3, 0.5):
        (density,) = score_units(model, criterion="density", tolerance=tolerance).values()
        wanted = [(np.abs(row) > np.float32(tolerance)).mean() for row in rows]
        np.testing.assert_allclose(density, wanted, rtol=1e-6)


@pytest.mark.parametrize("with_data", [True, False])
def test_batchnorm_scale(with_data: bool) -> None:
    model, _ = _convolutional()
    data = (examples(model)[0], None) if with_data else None
    scores = score_units(model, data, "batchnorm_scale")
    gamma = np.abs(model.get_layer("norm").gamma.numpy())
    assert list(scores) == ["first/kernel"]
    np.testing.assert_array_equal(scores["first/kernel"], gamma)
    assert "depth, last, up" in scores.notices[0]
