"""Masks that follow the cubic curve during `fit`, grow back, and survive a kill."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.importance.movement import Movement
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.gradual import GradualPruning
from secateur.sparsity.hold import HeldMasks, hold
from secateur.sparsity.masks import Masks
from secateur.sparsity.schedule import at_share

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
TARGET = TargetConfig(ratio=0.8, schedule="gradual", begin=0.1, end=0.7, frequency=3)
STEPS = 32


def network(rate=0.05, steps_per_execution=1, jit_compile=False):
    keras.utils.set_random_seed(3)
    x = keras.Input((6,))
    model = keras.Model(x, L.Dense(3, name="b")(L.Dense(8, activation="relu", name="a")(x)))
    model.compile(
        keras.optimizers.Adam(rate),
        LOSS,
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
    )
    return model


def data(n=64):
    random = np.random.default_rng(1)
    return random.standard_normal((n, 6)).astype("float32"), random.integers(0, 3, n)


def values(model):
    return {w.path: w.variable.numpy().copy() for w in prunable_weights(model)}


def magnitudes(model):
    return lambda: {path: np.abs(value) for path, value in values(model).items()}


class Watch(keras.callbacks.Callback):
    """Notes after each step the masks, and that what they remove is zero."""

    def __init__(self, pruning):
        super().__init__()
        self.pruning, self.sparsity, self.masks = pruning, [], []

    def on_train_batch_end(self, batch, logs=None):
        masks = self.pruning.masks
        for path, value in values(self.model).items():
            assert not value[~masks[path]].any()
        self.sparsity.append(masks.sparsity())
        self.masks.append({path: masks[path] for path in masks})


def train(model, pruning, epochs=4, first=0, watch=()):
    x, y = data()
    model.fit(
        x,
        y,
        batch_size=8,
        initial_epoch=first,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[pruning, *watch],
    )


def test_masks_follow_the_cubic_curve():
    model = network(jit_compile=True)  # as Keras does by itself
    with GradualPruning(model, TARGET, STEPS, magnitudes(model)) as pruning:
        watch = Watch(pruning)
        train(model, pruning, watch=[watch])
        masks = pruning.finish()
    begin, end, size, ratio = 3, 22, 6 * 8 + 8 * 3, 0.0
    for step, sparsity in enumerate(watch.sparsity, start=1):
        if begin <= step <= end and ((step - begin) % 3 == 0 or step == end):
            ratio = 0.8 - 0.8 * (1 - (step - begin) / (end - begin)) ** 3
        assert sparsity == pytest.approx(round(ratio * size) / size)
    assert masks.sparsity() == round(0.8 * size) / size
    assert masks.notices == ()
    assert all(v.constraint is None for v in model.trainable_variables)


def test_removed_weights_keep_their_values_and_grow_back():
    model = network()
    kernel, path = model.get_layer("a").kernel, "a/kernel"
    favoured = np.zeros((6, 8), bool)

    def score():
        """What is in the model now; and what is favoured counts most."""
        seen.append(kernel.numpy().copy())
        return {path: np.abs(kernel.numpy()) + 100 * favoured}

    seen = []
    target = TARGET.model_copy(update={"include": ("a",), "frequency": 4})
    with GradualPruning(model, target, STEPS, score) as pruning:
        train(model, pruning, epochs=2)
        masks = pruning.masks
        gone = ~masks[path]
        assert 10 < gone.sum() < 40
        assert np.all(seen[-1][gone] != 0)  # they are scored as they were
        favoured |= gone
        train(model, pruning, first=2)
        after = pruning.finish()
    assert after[path][gone].sum() == after.kept(path)
    assert np.all(kernel.numpy()[after[path]] != 0)
    assert after.sparsity() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("remember", [True, False])
def test_what_comes_back(remember):
    model = network()
    first = Masks({"a/kernel": np.arange(48).reshape(6, 8) % 2 == 0})
    second = Masks({"a/kernel": np.arange(48).reshape(6, 8) % 3 > 0})
    before = values(model)["a/kernel"]
    held = HeldMasks(model, Masks({"a/kernel": np.ones((6, 8), bool)}), remember=remember)
    held.update(first)
    kernel = model.get_layer("a").kernel
    np.testing.assert_array_equal(kernel.numpy(), np.where(first["a/kernel"], before, 0))
    kernel.assign(kernel + 1)  # also what is removed: nothing but masks holds it
    with held.full():
        full = np.where(first["a/kernel"], before + 1, before if remember else 0)
        np.testing.assert_array_equal(kernel.numpy(), full)
    held.update(second)
    np.testing.assert_array_equal(kernel.numpy(), np.where(second["a/kernel"], full, 0))


def test_without_memories_the_model_is_scored_as_it_runs():
    model = network()
    zeros = []

    def score():
        zeros.append(float((model.get_layer("a").kernel.numpy() == 0).mean()))
        return magnitudes(model)()

    with GradualPruning(model, TARGET, STEPS, score, remember=False) as pruning:
        train(model, pruning)
    assert zeros[-1] > 0.5


def test_several_steps_at_a_time():
    model = network(steps_per_execution=4)
    with GradualPruning(model, TARGET, STEPS, magnitudes(model)) as pruning:
        watch = Watch(pruning)
        train(model, pruning, watch=[watch])
        assert pruning.finish().sparsity() == round(0.8 * 72) / 72
    assert len(watch.sparsity) == 8
    assert watch.sparsity == sorted(watch.sparsity)
    assert watch.sparsity[0] > 0


@pytest.mark.parametrize("criterion", ["magnitude", "movement"])
def test_a_killed_training_ends_at_the_same_bits(criterion):
    def pruning_of(model):
        return GradualPruning(
            model, TARGET, STEPS, magnitudes(model) if criterion == "magnitude" else None
        )

    whole = network()
    with pruning_of(whole) as pruning:
        train(whole, pruning)
        wanted = pruning.finish()

    killed = network()
    with pruning_of(killed) as pruning:
        train(killed, pruning, epochs=2)
        state = {name: array.copy() for name, array in pruning.state().items()}
        weights = [v.numpy() for v in killed.variables]
        slots = [v.numpy() for v in killed.optimizer.variables]

    resumed = network()
    resumed.optimizer.build(resumed.trainable_variables)
    with pruning_of(resumed) as pruning:
        for variable, value in zip(resumed.variables, weights, strict=True):
            variable.assign(value)
        for variable, value in zip(resumed.optimizer.variables, slots, strict=True):
            variable.assign(value)
        pruning.restore(state)
        train(resumed, pruning, first=2)
        masks = pruning.finish()
    assert masks.digest() == wanted.digest()
    for path, value in values(whole).items():
        np.testing.assert_array_equal(values(resumed)[path], value)
    assert all(array.dtype.kind in "fu" for array in state.values())


def test_movement_gathers_for_removed_weights_too():
    """One step of plain gradient descent, by hand: S -= w ∂L/∂w, with w as it was when it went."""
    model = network()
    model.compile(keras.optimizers.SGD(0.1), LOSS, jit_compile=False)
    path, kernel = "a/kernel", model.get_layer("a").kernel
    mask = np.arange(48).reshape(6, 8) % 2 == 0
    held = HeldMasks(model, Masks({path: np.ones((6, 8), bool)}), remember=True)
    full = kernel.numpy().copy()
    held.update(Masks({path: mask}))
    x, y = data(8)
    with tf.GradientTape() as tape:
        loss = LOSS(y, model(x))
    gradient = tape.gradient(loss, kernel.value).numpy()
    movement = Movement(model, lambda name: held.full_value(name) if name == path else None)
    held.attach()
    with movement.gathering():
        model.fit(x, y, batch_size=8, verbose=0)
    held.detach()
    scores = movement.finish()
    wanted = -full * gradient
    np.testing.assert_allclose(np.ptp(scores[path]), np.ptp(wanted), rtol=1e-4)
    np.testing.assert_allclose(
        scores[path] - scores[path].min(), wanted - wanted.min(), rtol=1e-3, atol=1e-6
    )
    assert not kernel.numpy()[~mask].any()


def test_training_that_stops_early_is_finished_and_said():
    model = network()
    with GradualPruning(model, TARGET, STEPS, magnitudes(model)) as pruning:
        train(model, pruning, epochs=1)
        assert pruning.masks.sparsity() < 0.7
        masks = pruning.finish()
    assert masks.sparsity() == round(0.8 * 72) / 72
    assert "stopped after 8 steps" in masks.notices[-1]
    assert all(not v[~masks[path]].any() for path, v in values(model).items())


def test_ratios_by_layer_and_scope():
    model = network()
    target = TargetConfig(allocation={"a": 0.75}, schedule="gradual", frequency=5)
    with GradualPruning(model, target, STEPS, magnitudes(model)) as pruning:
        train(model, pruning)
        masks = pruning.finish()
    assert list(masks) == ["a/kernel"]
    assert masks.sparsity() == 0.75
    with hold(model, masks):  # final masks are masks like any other
        model.fit(*data(), verbose=0)
    assert at_share(target, 0.5).allocation == {"a": 0.375}


def test_weights_without_scores_stay_dense():
    model = network()

    def score():
        return {"a/kernel": np.abs(values(model)["a/kernel"])}

    with GradualPruning(model, TARGET, STEPS, score) as pruning:
        train(model, pruning)
        masks = pruning.finish()
    assert list(masks) == ["a/kernel"]
    assert np.all(values(model)["b/kernel"] != 0)


def test_bad_gradual_targets():
    model = network()
    with pytest.raises(ValueError, match="not gradual"):
        GradualPruning(model, TargetConfig(ratio=0.5), 10, magnitudes(model))
    with pytest.raises(ValueError, match="too few"):
        GradualPruning(model, TARGET, 1, magnitudes(model))
    with pytest.raises(ValueError, match="matches no layer"):
        GradualPruning(model, TARGET.model_copy(update={"include": ("x",)}), 10)
