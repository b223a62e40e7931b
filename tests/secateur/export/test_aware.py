"""Training with rounded kernels makes up for the rounding, and leaves zeros alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.export.aware import fake_quantized, fine_tune_quantized
from secateur.models.weights import prunable_weights
from tests.secateur.export import models

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_rounding_is_to_127_steps_of_the_largest_weight_of_a_channel():
    kernel = np.array([[1.0, -10.0], [0.25, 0.0], [-0.003, 5.0]], np.float32)
    expected = np.empty_like(kernel)
    for channel in range(2):
        scale = np.abs(kernel[:, channel]).max() / 127
        for row in range(3):
            expected[row, channel] = np.round(kernel[row, channel] / scale) * scale
    np.testing.assert_allclose(fake_quantized(tf.constant(kernel), (0,)), expected, rtol=1e-6)
    assert np.all(fake_quantized(tf.zeros((3, 2)), (0,)) == 0)


def test_the_gradient_passes_straight_through():
    kernel = tf.constant([[1.0, 0.3], [0.2, -0.7]])
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        value = tf.reduce_sum(fake_quantized(kernel, (0,)) * [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(tape.gradient(value, kernel), [[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(320, 8, 8, 1)).astype(np.float32)
    y = np.asarray(models.convolutional(zeros=0.5)(x)).argmax(-1)
    return Split(x, y)


@pytest.fixture
def coarse(monkeypatch):
    """Two bits in place of eight, which lose much."""
    monkeypatch.setattr("secateur.export.aware._LARGEST", 1.0)


def _loss_when_rounded(model, split):
    rounded = keras.models.clone_model(model)
    rounded.set_weights(model.get_weights())
    for weight in prunable_weights(rounded):
        value = tf.convert_to_tensor(weight.variable.value)
        weight.variable.assign(fake_quantized(value, tuple(range(len(value.shape) - 1))))
    return float(LOSS(split.y, rounded(split.x, training=False)))


def test_training_makes_up_for_rounding_and_holds_zeros(split, coarse):
    model = models.convolutional(zeros=0.5)
    before = model.get_weights()
    options = {"epochs": 4, "learning_rate": 3e-3, "seed": 1}
    tuned = fine_tune_quantized(model, split, LOSS, **options)
    assert _loss_when_rounded(tuned, split) < 0.7 * _loss_when_rounded(model, split)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    for old, new in zip(prunable_weights(model), prunable_weights(tuned), strict=True):
        zero = np.asarray(old.variable.value) == 0
        assert zero.any()
        assert np.all(np.asarray(new.variable.value)[zero] == 0)
        assert np.any(np.asarray(new.variable.value) != np.asarray(old.variable.value))
    averages = [w for w in tuned.non_trainable_weights if "moving" in w.name]
    assert averages
    assert all(np.any(w.numpy() != 0) and np.any(w.numpy() != 1) for w in averages)
