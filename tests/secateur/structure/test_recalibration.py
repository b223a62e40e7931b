"""BatchNorm measured anew: the statistics of the data, whatever batches they come in."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur import structure
from secateur.proof import ProofError
from secateur.proof.statistics import prove_statistics
from secateur.structure import moments, recalibration
from secateur.structure.recalibration import remeasure

L = keras.layers


def randomized(model, seed=0):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(random.uniform(0.3, 1.5, weight.shape))
    return model


def chain(**options):
    """Three BatchNorms, each of which is given what depends on those before it."""
    layers = [keras.Input((3,)), L.BatchNormalization(name="a", **options), L.Dense(4, "relu")]
    layers += [L.BatchNormalization(name="b", **options), L.Dense(3, "tanh")]
    layers += [L.BatchNormalization(name="c", **options), L.Dropout(0.5)]
    return randomized(keras.Sequential(layers))


def reference(model, x):
    """Layer after layer, with all the examples at once."""
    found = []
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            found.append((x.mean(0), x.var(0)))
            x = (x - x.mean(0)) / np.sqrt(x.var(0) + layer.epsilon)
            x = x * np.array(layer.gamma) + np.array(layer.beta)
        elif isinstance(layer, L.Dense):
            x = x @ np.array(layer.kernel, "float64") + np.array(layer.bias)
            x = np.maximum(x, 0) if layer.activation.__name__ == "relu" else np.tanh(x)
    return found


def assert_statistics(layer, mean, variance):
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-3, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 40), st.integers(1, 41), st.integers(0, 99))
def test_no_size_of_a_batch_and_no_tail_has_a_part_in_it(count, batch_size, seed):
    x = np.random.default_rng(seed).normal(1, 2, (count, 3)).astype("float32")
    x[-1] += 20
    model = chain()
    assert structure.recalibrate(model, (x, None), batch_size=batch_size) == 3
    norms = [model.get_layer(name) for name in "abc"]
    for layer, wanted in zip(norms, reference(model, x.astype("float64")), strict=True):
        assert_statistics(layer, *wanted)
        assert layer.momentum == 0.99


@pytest.mark.parametrize("options", [{"renorm": True}, {"synchronized": True}, {"scale": False}])
def test_other_kinds_of_batch_norm_know_the_same(options):
    x = np.random.default_rng(0).normal(1, 2, (33, 3)).astype("float32")
    model = randomized(keras.Sequential([keras.Input((3,)), L.BatchNormalization(**options)]))
    norm = model.layers[0]
    structure.recalibrate(model, (x, None), batch_size=16)
    assert_statistics(norm, x.mean(0), x.var(0))
    if "renorm" in options:  # a step of training from here corrects next to nothing
        np.testing.assert_allclose(norm.renorm_mean, x.mean(0), rtol=1e-4)
        wanted = np.sqrt(x.var(0) + norm.epsilon)
        np.testing.assert_allclose(norm.renorm_stddev, wanted, rtol=1e-4)
        np.testing.assert_allclose(norm.moving_stddev, wanted, rtol=1e-4)


def test_masked_positions_do_not_count():
    random = np.random.default_rng(0)
    x = random.normal(3, 2, (21, 5, 2)).astype("float32")
    x[random.random((21, 5)) < 0.4] = 0
    x[4] = 0  # nothing of this example counts
    model = keras.Sequential([keras.Input((5, 2)), L.Masking(), L.BatchNormalization(name="n")])
    found = remeasure(model, lambda: (x, None), examples=None, seed=0)
    seen = x[x.any(-1)]
    assert_statistics(model.get_layer("n"), seen.mean(0), seen.var(0))
    assert found.checks[0].examples == 21


def test_positions_count_as_examples_do_and_channels_may_come_first():
    x = np.random.default_rng(0).normal(1, 2, (9, 2, 4, 5)).astype("float32")
    model = keras.Sequential([keras.Input((2, 4, 5)), L.BatchNormalization(axis=1, name="n")])
    assert remeasure(model, lambda: (x, None), examples=None, seed=0).checks
    assert_statistics(model.get_layer("n"), x.mean((0, 2, 3)), x.var((0, 2, 3)))


def test_a_shared_layer_has_the_statistics_of_all_that_it_is_given():
    inner = keras.Sequential([keras.Input((2,)), L.BatchNormalization(name="n")], name="inner")
    one, two = keras.Input((2,), name="one"), keras.Input((2,), name="two")
    model = keras.Model([one, two], L.Add()([inner(one), inner(two)]))
    random = np.random.default_rng(0)
    x = [random.normal(m, s, (17, 2)).astype("float32") for m, s in ((0, 1), (5, 3))]
    found = remeasure(model, lambda: (x, None), examples=None, seed=0)
    assert_statistics(inner.get_layer("n"), np.concatenate(x).mean(0), np.concatenate(x).var(0))
    assert found.checks[0].statement.startswith("Mean and variance of 1 Batch")


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = L.BatchNormalization(name="n")

    def call(self, x):
        return self.norm(2 * x)


def test_a_subclassed_model_is_measured_too():
    x = np.random.default_rng(0).normal(1, 2, (33, 3)).astype("float32")
    model = Own()
    model(x[:1])
    assert structure.recalibrate(model, (x, None), batch_size=32) == 1
    assert_statistics(model.norm, 2 * x.mean(0), 4 * x.var(0))


class Traced(Own):
    @tf.function
    def call(self, x):
        return self.norm(x)


def test_what_cannot_be_seen_is_left_as_it_was_and_told():
    x = np.ones((4, 3), "float32")
    model = Traced()
    model(x)
    found = remeasure(model, lambda: (x, None), examples=None, seed=0)
    assert found.checks == []
    assert "'n' cannot be seen" in found.notices[0]
    np.testing.assert_array_equal(model.norm.moving_mean, 0)
    with pytest.raises(ValueError, match="inside of a traced function"):
        structure.recalibrate(model, (x, None))


def test_after_values_that_are_not_finite_all_is_as_before():
    model = chain()
    before = [np.array(w) for w in model.weights]
    x = np.ones((5, 3), "float32")
    x[3, 1] = np.nan
    found = remeasure(model, lambda: (x, None), examples=None, seed=0)
    assert "'a' is not finite" in found.notices[0]
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_dataset_that_is_shuffled_at_each_pass_gives_the_same_examples_at_each():
    x = np.random.default_rng(0).normal(1, 2, (500, 3)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(x).shuffle(500).batch(8)
    found = remeasure(chain(), lambda: dataset, examples=40, seed=0)
    assert found.checks[0].examples == 40


def averaged(layer_moments):
    """As it was: each batch counts the same, whatever its size."""
    whole = layer_moments.add

    def add(self, x, axis, mask=None):
        own = layer_moments()
        whole(own, x, axis, mask)
        number = getattr(self, "number", 0)
        mean = (self.mean * number + own.mean) / (number + 1)
        variance = own.variance if not number else (self.variance * number + own.variance)
        self.number, self.count, self.mean = number + 1, 1, mean
        self._squares = variance / (1 if not number else number + 1)
        return own.mean, own.variance

    return add


def test_the_proof_finds_a_mean_over_batches(monkeypatch):
    x = np.random.default_rng(3).normal(0, 2, (257, 3)).astype("float32")
    x[-1] += 20
    options = {"examples": None, "seed": 0}
    (check,) = remeasure(chain(), lambda: (x, None), **options).checks
    assert (check.subject, check.examples) == ("statistics", 257)
    assert check.difference < check.tolerance == 2e-3
    monkeypatch.setattr(moments.Moments, "add", averaged(moments.Moments))
    with pytest.raises(ProofError, match="BatchNormalization 'a' are not those of the data"):
        remeasure(chain(), lambda: (x, None), **options)


def test_the_proof_finds_that_only_one_pass_was_made(monkeypatch):
    x = np.random.default_rng(3).normal(0, 2, (30, 3)).astype("float32")
    x[-5:] += 20
    monkeypatch.setattr(recalibration, "Examples", _SmallBatches)
    remeasure(chain(), lambda: (x, None), examples=None, seed=0)
    monkeypatch.setattr(recalibration, "_SETTLED", float("inf"))
    passed = recalibration._pass
    monkeypatch.setattr(recalibration, "_pass", lambda *a, own: passed(*a, own=True))
    with pytest.raises(ProofError, match="'b' are not those of the data"):
        remeasure(chain(), lambda: (x, None), examples=None, seed=0)


class _SmallBatches(recalibration.Examples):
    def batches(self, size, *, shuffled=False):
        return super().batches(4)


@pytest.mark.parametrize("what", ["mean", "variance"])
def test_the_proof_finds_statistics_that_are_off_in_one_channel(what):
    x = np.random.default_rng(0).normal(1, 2, (64, 3)).astype("float32")
    model = chain()
    structure.recalibrate(model, (x, None))
    norms = [model.get_layer(name) for name in "abc"]
    assert prove_statistics(model, norms, [x[:50], x[50:]]).difference < 1e-3
    vector = getattr(norms[1], f"moving_{what}")
    value = np.array(vector)
    # By a hundredth: of a deviation, of the variance.
    value[2] += 0.01 * (np.sqrt(norms[1].moving_variance[2]) if what == "mean" else value[2])
    vector.assign(value)
    with pytest.raises(ProofError, match="'b'"):
        prove_statistics(model, norms, [x])
    gamma = np.array(norms[1].gamma)
    gamma[2] = 0  # then that channel says nothing
    norms[1].gamma.assign(gamma)
    structure.recalibrate(model, (x, None))
    assert prove_statistics(model, norms, [x]).difference < 1e-3


def test_the_proof_leaves_the_layers_as_they_were():
    call = L.BatchNormalization.__call__
    test_masked_positions_do_not_count()
    assert L.BatchNormalization.__call__ is call
    assert "__call__" not in vars(L.BatchNormalization)
