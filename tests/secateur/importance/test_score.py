"""`score` as users call it: data of every kind, bad input, the list of criteria."""

from __future__ import annotations

import importlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance import score, score_units
from secateur.importance.config import ImportanceConfig
from secateur.importance.names import BUILT_IN
from secateur.models.weights import prunable_weights
from tests.secateur.importance.zoo import MODELS, examples, randomize

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return randomize(MODELS["dense"]())


@pytest.fixture(scope="module")
def data(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    return examples(model, 30)


def _same(a: Any, b: Any) -> None:
    assert list(a) == list(b)
    for path in a:
        np.testing.assert_allclose(a[path], b[path], rtol=1e-5)


def test_datasets_equal_arrays(model: keras.Model, data: Any) -> None:
    stream = tf.data.Dataset.from_tensor_slices(data).batch(7)
    _same(score(model, stream, "gradient", loss=LOSS), score(model, data, "gradient", loss=LOSS))
    _same(
        score(model, stream, "gradient", loss=LOSS, batch_size=4),
        score(model, data, "gradient", loss=LOSS),
    )
    first = data[0][:10], data[1][:10]
    _same(
        score(model, stream, "gradient", loss=LOSS, examples=10),
        score(model, first, "gradient", loss=LOSS),
    )


def test_a_generator_is_gone_through_in_bounded_memory(model: keras.Model, data: Any) -> None:
    batches = []

    def produce() -> Any:
        for low in range(0, 30, 5):
            batches.append(low)
            yield data[0][low : low + 5], data[1][low : low + 5]

    kinds = (tf.TensorSpec((None, 6)), tf.TensorSpec((None,), tf.int64))
    stream = tf.data.Dataset.from_generator(produce, output_signature=kinds)
    _same(score(model, stream, "gradient", loss=LOSS), score(model, data, "gradient", loss=LOSS))
    batches.clear()
    score(model, stream, "gradient", loss=LOSS, examples=5)
    assert 25 not in batches


def test_examples_are_drawn_by_seed(model: keras.Model, data: Any) -> None:
    first = score(model, data, "gradient", loss=LOSS, examples=10, seed=1)
    _same(first, score(model, data, "gradient", loss=LOSS, examples=10, seed=1))
    other = score(model, data, "gradient", loss=LOSS, examples=10, seed=2)
    assert not np.allclose(next(iter(first.values())), next(iter(other.values())))
    chosen = np.sort(np.random.default_rng(1).choice(30, 10, replace=False))
    _same(first, score(model, (data[0][chosen], data[1][chosen]), "gradient", loss=LOSS))
    _same(
        score(model, data, "gradient", loss=LOSS, examples=99),
        score(model, data, "gradient", loss=LOSS),
    )


def test_sample_weights_scale_examples(model: keras.Model, data: Any) -> None:
    weights = np.zeros(30, "float32")
    weights[3] = 2.0
    one = score(model, (data[0][3:4], data[1][3:4]), "gradient", loss=LOSS)
    many = score(model, (*data, weights), "gradient", loss=LOSS)
    for path, array in one.items():
        np.testing.assert_allclose(many[path], 2 * array, rtol=1e-5)


def test_several_inputs() -> None:
    model = randomize(MODELS["two_inputs"]())
    x, y = examples(model, 12)
    stream = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
    _same(score(model, (x, y), "gradient", loss=LOSS), score(model, stream, "gradient", loss=LOSS))


def test_magnitude_and_random(model: keras.Model) -> None:
    found = score(model, criterion="magnitude")
    for weight in prunable_weights(model):
        np.testing.assert_array_equal(found[weight.path], np.abs(weight.variable.numpy()))
    assert len(found) == len(prunable_weights(model))
    first, second, other = (score(model, criterion="random", seed=s) for s in (1, 1, 2))
    for path, array in first.items():
        assert array.min() >= 0
        assert array.max() < 1
        np.testing.assert_array_equal(array, second[path])
        assert (array != other[path]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "gradeint"}, "Did you mean 'gradient'"),
        ({"data": None}, r"pass data=\(x, y\)"),
        ({"loss": None}, "pass loss="),
        ({"data": np.zeros((3, 6))}, "tuple"),
        ({"data": (np.zeros((3, 6)), np.zeros(2))}, r"differ.*\[2, 3\]"),
        ({"data": (np.zeros((0, 6)), np.zeros(0))}, "no examples"),
        ({"examples": 0}, "at least 1"),
        ({"pool": "median"}, "l1, l2, mean or max"),
        ({"data": (np.full((3, 6), np.nan, "float32"), np.zeros(3, int))}, "NaN"),
    ],
)
def test_bad_input(model: keras.Model, data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(model, **{"criterion": "gradient", "data": data, "loss": LOSS, **options})


def test_bad_datasets(model: keras.Model) -> None:
    single = tf.data.Dataset.from_tensor_slices((np.zeros((4, 2)), np.zeros((4, 2)))).take(0)
    with pytest.raises(ValueError, match="no examples"):
        score(model, single.batch(2), "gradient", loss=LOSS)
    scalars = tf.data.Dataset.from_tensor_slices((np.zeros(4), np.zeros(4)))
    with pytest.raises(ValueError, match="Expected shape"):
        score(model, scalars, "gradient", loss=LOSS)


def test_models_without_weights() -> None:
    with pytest.raises(ValueError, match="no weights yet"):
        score(keras.Sequential([L.Dense(3)]), criterion="magnitude")
    with pytest.raises(ValueError, match="can be pruned"):
        score(keras.Sequential([keras.Input((3,)), L.ReLU()]), criterion="magnitude")


@pytest.mark.parametrize("name", BUILT_IN)
def test_table_agrees_with_functions(name: str, model: keras.Model, data: Any) -> None:
    """Each criterion runs with what the table says it needs, and refuses to go without."""
    known = BUILT_IN[name]
    module, _, function = known.target.partition(":")
    found = getattr(importlib.import_module(module), function)
    assert callable(found)
    assert found.__doc__
    assert found.__name__ == name
    if known.kind == "method":
        return
    given = data if known.loss else ((data[0], None) if known.data else None)
    scores = score(model, given, name, loss=LOSS if known.loss else None)
    units = score_units(model, given, name, loss=LOSS if known.loss else None)
    for path, array in scores.items():
        assert array.dtype == np.float32
        assert (array >= 0).all()
        same_in_unit = (array == array[:1]).all()
        assert same_in_unit == (known.kind == "unit")
        assert units[path].shape == array.shape[1:]
        if known.kind == "unit":
            np.testing.assert_array_equal(array[0], units[path])
    if known.data:
        with pytest.raises(ValueError, match="data"):
            score(model, None, name, loss=LOSS)
    if known.loss:
        with pytest.raises(ValueError, match="loss"):
            score(model, given, name)


def test_every_field_is_an_argument(model: keras.Model, data: Any) -> None:
    config = ImportanceConfig(criterion="taylor", examples=5, batch_size=2, pool="max")
    score(model, data, loss=LOSS, **config.model_dump())
