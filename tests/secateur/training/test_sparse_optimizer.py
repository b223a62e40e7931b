"""Proximal, penalised and hard-thresholded optimizers against loops that spell the steps out."""

import keras
import numpy as np
import pytest

from secateur.models.weights import prunable_weights
from secateur.sparsity.hold import hold
from secateur.sparsity.masks import Masks
from secateur.training.penalties import L1, Penalized, penalized
from secateur.training.sparse_optimizer import (
    Strength,
    hard_thresholded,
    proximal,
    regularized,
)

optimizers = keras.optimizers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
START = np.array([1.0, -0.3, 0.05, -2.0], np.float32)
GRADIENTS = np.random.default_rng(0).standard_normal((6, 4)).astype("float32")


def soft(w, threshold):
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


def run(wrap, optimizer, scale=1.0):
    """The weights after each of the gradients."""
    variable = keras.Variable(START, name="w")
    optimizer = wrap(optimizer, variable)
    optimizer.build([variable])
    seen = []
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient * scale)], [variable])
        seen.append(variable.numpy().copy())
    return np.array(seen), optimizer, variable


def l1(how, value=0.5, steps=0):
    def wrap(optimizer, variable):
        return how(optimizer, [Penalized(variable, L1())], Strength(value, steps))

    return wrap


def test_proximal_steps_with_growing_strength_and_a_falling_learning_rate():
    rate = optimizers.schedules.PolynomialDecay(0.2, 6, 0.02)
    found, _, _ = run(l1(proximal, steps=4), optimizers.SGD(rate))
    w, expected = START.copy(), []
    for step, gradient in enumerate(GRADIENTS):
        now = 0.2 - (0.2 - 0.02) * step / 6
        w = soft(w - now * gradient, now * 0.5 * min(1, (step + 1) / 4))
        expected.append(w)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (found == 0).any()


@pytest.mark.parametrize("how", [proximal, regularized])
@pytest.mark.parametrize("loss_scale", [False, True])
def test_accumulated_clipped_and_scaled(how, loss_scale):
    """Every second batch updates, once: its mean gradient clipped, the penalty with it."""
    optimizer = optimizers.SGD(0.2, gradient_accumulation_steps=2, clipvalue=0.4)
    if loss_scale:
        optimizer = optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    found, _, _ = run(l1(how), optimizer, scale=8.0 if loss_scale else 1.0)
    w, expected = START.copy(), []
    for step, gradient in enumerate(GRADIENTS):
        if step % 2:
            mean = (GRADIENTS[step - 1] + gradient) / 2
            if how is regularized:
                w = w - 0.2 * np.clip(mean + 0.5 * np.sign(w), -0.4, 0.4)
            else:
                w = soft(w - 0.2 * np.clip(mean, -0.4, 0.4), 0.2 * 0.5)
        expected.append(w)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_step_that_a_loss_scale_skips_changes_nothing():
    variable = keras.Variable(START, name="w")
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.1))
    proximal(optimizer, [Penalized(variable, L1())], Strength(1.0))
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor([1.0, np.inf, 0.0, 0.0])], [variable])
    np.testing.assert_array_equal(variable.numpy(), START)


def test_averages_have_the_zeros_of_the_weights():
    found, optimizer, variable = run(
        l1(proximal, 1.0), optimizers.SGD(0.2, use_ema=True, ema_momentum=0.5)
    )
    average = found[0]
    for w in found[1:]:
        average = 0.5 * average + 0.5 * w
    optimizer.finalize_variable_values([variable])
    expected = np.where(found[-1] != 0, average, 0)
    np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6)
    assert (expected == 0).any()
    assert np.all(average != 0)


def test_hard_thresholding_lets_weights_come_back():
    found, _, _ = run(lambda o, v: hard_thresholded(o, [v], 2), optimizers.SGD(2.0))
    w, expected = START.copy(), []
    for gradient in GRADIENTS:
        w = w - 2.0 * gradient
        w[np.argsort(np.abs(w), kind="stable")[:2]] = 0
        expected.append(w.copy())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len({tuple(row != 0) for row in found}) > 1
    with pytest.raises(ValueError, match="at least 1"):
        hard_thresholded(optimizers.SGD(0.5), [], 0)


RULES = {
    "l1": lambda o, m: regularized(o, penalized(m, "l1"), Strength(1e-2, 3)),
    "slim": lambda o, m: proximal(o, penalized(m, "batchnorm"), Strength(1e-2)),
    "group_lasso": lambda o, m: proximal(o, penalized(m, "group_lasso"), Strength(1e-2, 3)),
    "hard": lambda o, m: hard_thresholded(o, [w.variable for w in prunable_weights(m)], 40),
}
OPTIMIZERS = {
    "ema": lambda: optimizers.AdamW(
        0.05, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2
    ),
    "accumulated": lambda: optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
    "clipped": lambda: optimizers.Adam(0.05, global_clipnorm=0.1),
    "mixed": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adam(0.05, use_ema=True), initial_scale=64.0
    ),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_masks_hold_under_every_combination(rule, name):
    keras.utils.set_random_seed(0)
    policy = "mixed_float16" if name == "mixed" else "float32"
    x = keras.Input((6,))
    y = keras.layers.Dense(8, dtype=policy, name="a")(x)
    y = keras.layers.BatchNormalization(dtype=policy, name="n")(y)
    model = keras.Model(x, keras.layers.Dense(3, dtype=policy, name="b")(y))
    random = np.random.default_rng(0)
    masks = Masks({w.path: random.random(w.variable.shape) > 0.4 for w in prunable_weights(model)})
    before = model.get_layer("a").kernel.numpy()

    def zeros(_, logs):
        for weight in prunable_weights(model):
            assert not weight.variable.numpy()[~masks[weight.path]].any()

    # Eagerly: what is traced is the same code, and tracing takes longer than all the steps.
    model.compile(RULES[rule](OPTIMIZERS[name](), model), LOSS, run_eagerly=True)
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=zeros)
    with hold(model, masks):
        inputs = random.standard_normal((48, 6)).astype("float32")
        model.fit(inputs, random.integers(0, 3, 48), batch_size=8, verbose=0, callbacks=[watch])
        zeros(None, None)  # the averages that end up in the weights
    after = model.get_layer("a").kernel.numpy()
    assert np.all(np.isfinite(after))
    assert np.any(after != np.where(masks["a/kernel"], before, 0))
    if rule == "hard":
        nonzero = [np.count_nonzero(w.variable.numpy()) for w in prunable_weights(model)]
        assert sum(nonzero) <= 40
