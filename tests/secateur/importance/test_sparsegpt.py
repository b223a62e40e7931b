"""SparseGPT against the Optimal Brain Surgeon with explicit inverses."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance import obs, score
from secateur.importance.sparsegpt import apply, sparsegpt
from secateur.models.weights import prunable_weights
from tests.secateur.importance.zoo import MODELS, Own, examples, randomize

L = keras.layers


def _dense_obs(
    matrix: np.ndarray, hessian: np.ndarray, damping: float, choose: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Input by input: invert the Hessian of the inputs still to come, remove, make up for it."""
    matrix, inputs = matrix.copy(), len(matrix)
    damped = hessian + np.eye(inputs) * damping * np.diag(hessian).mean()
    inverses = [np.linalg.inv(damped[j:, j:]) for j in range(inputs)]
    kept = np.ones(matrix.shape, bool)
    for j in range(inputs):
        chosen = choose(j, matrix, np.array([inverse[0, 0] for inverse in inverses]))
        for first, mask in chosen:
            kept[first : first + len(mask)] = mask
        for output in range(matrix.shape[1]):
            if not kept[j, output]:
                factor = matrix[j, output] / inverses[j][0, 0]
                matrix[j:, output] -= factor * inverses[j][:, 0]
                matrix[j, output] = 0
    return matrix, kept


def _n_of_m(n: int, m: int, run_length: int) -> Any:
    def choose(j: int, matrix: np.ndarray, diagonal: np.ndarray) -> list[Any]:
        if j % run_length % m:
            return []
        end = min(j + m, (j // run_length + 1) * run_length)
        saliency = matrix[j:end] ** 2 / diagonal[j:end, None]
        rank = np.argsort(np.argsort(-saliency, axis=0), axis=0)
        return [(j, rank < n)]

    return choose


def _blocks(ratio: float) -> Any:
    def choose(j: int, matrix: np.ndarray, diagonal: np.ndarray) -> list[Any]:
        if j % obs.BLOCK:
            return []
        end, outputs = min(j + obs.BLOCK, len(matrix)), matrix.shape[1]
        saliency = matrix[j:end] ** 2 / diagonal[j:end, None]
        count = round(ratio * end * outputs) - round(ratio * j * outputs)
        rank = np.argsort(np.argsort(saliency.ravel())).reshape(saliency.shape)
        return [(j, rank >= count)]

    return choose


def _problem(inputs: int, outputs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3 * inputs, inputs)) @ rng.normal(size=(inputs, inputs))
    return rng.normal(size=(inputs, outputs)), x.T @ x


@pytest.mark.parametrize(("inputs", "ratio"), [(7, 0.5), (130, 0.3), (140, 0.9), (20, 0.0)])
def test_ratio_equals_dense_obs(inputs: int, ratio: float) -> None:
    matrix, hessian = _problem(inputs, 5, inputs)
    target = obs.Target(ratio=ratio)
    new, kept = obs.reconstruct(matrix[None], hessian[None], target, 0.01, inputs)
    wanted, mask = _dense_obs(matrix, hessian, 0.01, _blocks(ratio))
    np.testing.assert_array_equal(kept[0], mask)
    np.testing.assert_allclose(new[0], wanted, rtol=1e-6, atol=1e-9)
    assert (~kept).sum() == round(ratio * matrix.size)


@pytest.mark.parametrize(
    ("inputs", "n", "m", "run_length"),
    [(8, 2, 4, 8), (10, 1, 4, 5), (140, 3, 5, 140), (7, 2, 4, 7)],
)
def test_n_of_m_equals_dense_obs(inputs: int, n: int, m: int, run_length: int) -> None:
    matrix, hessian = _problem(inputs, 4, inputs)
    target = obs.Target(kept=n, group=m)
    new, kept = obs.reconstruct(matrix[None], hessian[None], target, 0.01, run_length)
    wanted, mask = _dense_obs(matrix, hessian, 0.01, _n_of_m(n, m, run_length))
    np.testing.assert_array_equal(kept[0], mask)
    np.testing.assert_allclose(new[0], wanted, rtol=1e-6, atol=1e-9)


def test_better_than_leaving_the_rest() -> None:
    """With the same mask, the layer's outputs are nearer than those of the bare mask."""
    matrix, hessian = _problem(40, 6, 1)
    mask = np.abs(matrix) > np.median(np.abs(matrix))
    new, kept = obs.reconstruct(
        matrix[None], hessian[None], obs.Target(mask=mask), 0.01, 40, mask[None]
    )

    def error(values: np.ndarray) -> float:
        change = values - matrix
        return float(np.trace(change.T @ hessian @ change))

    assert (kept[0] == mask).all()
    assert error(new[0]) < 0.9 * error(matrix * mask)


@pytest.mark.parametrize("name", MODELS)
def test_models_of_every_kind(name: str) -> None:
    model = randomize(MODELS[name]())
    x, _ = examples(model, 20)
    before = [v.numpy() for v in model.variables]
    found = sparsegpt(model, (x, None), ratio=0.5)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.variables, strict=True))
    weights = {w.path: w.variable.numpy() for w in prunable_weights(model)}
    left = set(weights) - set(found.weights)
    assert all("kernel" in path or "matrix" in path or name == "tied" for path in left)
    assert (
        bool(left)
        == bool(found.notices)
        == (name in {"conv_lstm", "own_layer", "own_dense", "tied"} or "transpose" in name)
    )
    for path, new in found.weights.items():
        mask = found.masks[path]
        assert new.shape == mask.shape == weights[path].shape
        assert (~mask).sum() == round(0.5 * mask.size)
        assert not new[~mask].any()
        assert np.isfinite(new).all()


def test_first_layer_by_hand_and_the_next_sees_it() -> None:
    model = randomize(keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(3)]))
    x, _ = examples(model, 50)
    found = sparsegpt(model, (x, None), ratio=0.5, batch_size=16)
    first, second = prunable_weights(model)
    hessian = x.astype("float64").T @ x
    wanted, mask = _dense_obs(first.variable.numpy().astype("float64"), hessian, 0.01, _blocks(0.5))
    np.testing.assert_array_equal(found.masks[first.path], mask)
    np.testing.assert_allclose(found.weights[first.path], wanted, rtol=1e-4, atol=1e-5)
    bias = model.layers[0].bias.numpy()
    hidden = np.maximum(x @ found.weights[first.path] + bias, 0).astype("float64")
    wanted, mask = _dense_obs(
        second.variable.numpy().astype("float64"), hidden.T @ hidden, 0.01, _blocks(0.5)
    )
    np.testing.assert_array_equal(found.masks[second.path], mask)
    np.testing.assert_allclose(found.weights[second.path], wanted, rtol=1e-3, atol=1e-4)
    apply(model, found)
    assert (first.variable.numpy() == found.weights[first.path]).all()


def test_convolution_is_its_windows() -> None:
    model = randomize(keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 2, strides=2)]))
    x, _ = examples(model, 30)
    found = sparsegpt(model, (x, None), pattern="1:2")
    (path,) = found.weights
    windows = tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1] * 4, "VALID").numpy()
    windows = windows.reshape(-1, 12).astype("float64")
    kernel = model.layers[0].kernel.numpy().astype("float64").reshape(12, 4)
    wanted, mask = _dense_obs(kernel, windows.T @ windows, 0.01, _n_of_m(1, 2, 3))
    np.testing.assert_array_equal(found.masks[path].reshape(12, 4), mask)
    np.testing.assert_allclose(found.weights[path].reshape(12, 4), wanted, rtol=1e-4, atol=1e-5)


def test_given_masks() -> None:
    model = randomize(keras.Sequential([keras.Input((6,)), L.Dense(5), L.Dense(3)]))
    path = prunable_weights(model)[0].path
    mask = np.arange(30).reshape(6, 5) % 3 > 0
    found = sparsegpt(model, examples(model, 20), masks={path: mask})
    assert list(found.weights) == [path]
    assert (found.masks[path] == mask).all()
    assert ((found.weights[path] != 0) == mask).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one"),
        ({"ratio": 0.5, "pattern": "2:4"}, "exactly one"),
        ({"ratio": 1.0}, "below 1"),
        ({"ratio": {"nobody": 0.5}}, "nobody"),
        ({"pattern": "4:2"}, "n < m"),
        ({"pattern": "block"}, "n < m"),
        ({"masks": {"mine/matrix": np.ones((2, 2), bool)}}, "shape"),
        ({"ratio": 0.5, "damping": 0.0}, "damping"),
    ],
)
def test_bad_targets(options: dict[str, Any], message: str) -> None:
    model = keras.Sequential([keras.Input((4,)), Own(name="mine")], name="m")
    if "masks" in options:
        options = {"masks": {prunable_weights(model)[0].path: np.ones((2, 2), bool)}}
    with pytest.raises(ValueError, match=message):
        sparsegpt(model, examples(model), **options)


def test_it_is_no_criterion() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    with pytest.raises(ValueError, match="rewrites"):
        score(model, examples(model), "sparsegpt")
