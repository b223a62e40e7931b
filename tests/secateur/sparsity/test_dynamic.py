"""Masks that move while a model trains: SET and RigL, step by step and as a whole."""

import itertools
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.datasets.dataset import Split
from secateur.models.weights import prunable_weights
from secateur.sparsity.combine import check_dynamic
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.dynamic import DynamicSparsity, dense_gradients
from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.sparsity.masks import Masks
from secateur.sparsity.rewiring import cosine, rewire
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_one_update_by_hand():
    weight = np.array([[0.5, -0.1, 0.0], [-2.0, 0.0, 0.3]], np.float32)
    mask = np.array([[True, True, False], [True, False, True]])
    growth = np.array([[9.0, 0.2, 0.1], [9.0, 0.7, 0.6]])
    # -0.1 and 0.3 go; of 0.2 (just gone), 0.1, 0.7 and 0.6 (just gone) the two highest come.
    expected = [[True, False, False], [True, True, True]]
    np.testing.assert_array_equal(rewire(weight, mask, growth, 2), expected)
    np.testing.assert_array_equal(rewire(weight, mask, growth, 0), mask)


def slow(weight, mask, growth, count):
    alive = {i for i in np.ndindex(mask.shape) if mask[i]}
    for _ in range(count):
        alive.remove(min(alive, key=lambda i: (abs(weight[i]), i)))
    for _ in range(count):
        idle = [i for i in np.ndindex(mask.shape) if i not in alive]
        alive.add(max(idle, key=lambda i: (growth[i], i)))
    return np.array([i in alive for i in np.ndindex(mask.shape)]).reshape(mask.shape)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**16), st.floats(0, 1))
def test_an_update_is_the_slow_one_and_keeps_the_number(rows, columns, seed, share):
    random = np.random.default_rng(seed)
    mask = random.random((rows, columns)) < 0.5
    weight = random.integers(-2, 3, mask.shape) * mask  # many equal ones
    growth = random.integers(0, 3, mask.shape)
    count = int(share * mask.sum())
    new = rewire(weight, mask, growth, count)
    np.testing.assert_array_equal(new, slow(weight, mask, growth, count))
    assert new.sum() == mask.sum()


def test_the_share_falls_along_a_cosine():
    assert cosine(0.3, 0, 100) == pytest.approx(0.3)
    assert cosine(0.3, 50, 100) == pytest.approx(0.15)
    assert cosine(0.3, 25, 100) == pytest.approx(0.15 * (1 + math.sqrt(0.5)))
    assert cosine(0.3, 100, 100) == cosine(0.3, 500, 100) == pytest.approx(0)


def network():
    keras.utils.set_random_seed(3)
    x = keras.Input((6,))
    y = L.Dense(12, activation="relu", name="a")(x)
    y = L.Dense(12, activation="relu", name="frozen", trainable=False)(y)
    return keras.Model(x, L.Dense(3, name="b")(y))


def data(n=64):
    random = np.random.default_rng(1)
    return random.standard_normal((n, 6)).astype("float32"), random.integers(0, 3, n)


def start(model, share=0.75):
    random = np.random.default_rng(2)
    return Masks({w.path: random.random(w.variable.shape) > share for w in prunable_weights(model)})


def values(model):
    return {w.path: w.variable.numpy().copy() for w in prunable_weights(model)}


def companion(model, method, **settings):
    config = DynamicConfig(method=method, frequency=5, end=0.8, **settings)
    x, y = data()

    def gradients(step):
        drawn = np.random.default_rng(step).permutation(len(x))[:16]
        return dense_gradients(model, {"a/kernel", "b/kernel"}, LOSS, x[drawn], y[drawn])

    return DynamicSparsity(model, start(model), config, 32, gradients, seed=7)


class Watch(keras.callbacks.Callback):
    def __init__(self, dynamic):
        super().__init__()
        self.dynamic, self.seen = dynamic, []

    def on_train_batch_end(self, batch, logs=None):
        masks = self.dynamic.masks
        for path, value in values(self.model).items():
            assert not value[~masks[path]].any()
        self.seen.append({path: masks[path] for path in masks})


@pytest.mark.parametrize("method", ["set", "rigl"])
def test_every_layer_keeps_its_number_at_every_step(method):
    model = network()
    first = start(model)
    with companion(model, method) as dynamic:
        watch = Watch(dynamic)
        model.compile(keras.optimizers.Adam(0.05), LOSS)
        model.fit(*data(), batch_size=8, epochs=4, verbose=0, callbacks=[dynamic, watch])
    moved = []
    for step, (before, after) in enumerate(itertools.pairwise([dict(first), *watch.seen]), 1):
        assert all(after[path].sum() == first.kept(path) for path in first)
        if any((before[path] != after[path]).any() for path in first):
            moved.append(step)
    due = [5, 10, 15, 20, 25]  # the end is at 26 of 32; RigL's share comes to no weight before
    assert moved == (due if method == "set" else due[: max(3, len(moved))])
    np.testing.assert_array_equal(watch.seen[-1]["frozen/kernel"], first["frozen/kernel"])
    assert dynamic.masks.sparsity() == first.sparsity()
    assert all(v.constraint is None for v in model.trainable_variables)


def test_rigl_grows_by_gradients_from_zero_and_without_momentum():
    model = network()
    model.compile(keras.optimizers.Adam(0.05), LOSS)
    x, y = data()
    with companion(model, "rigl", fraction=0.5) as dynamic:
        model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[dynamic])  # steps 1 to 4
        before, weight = dynamic.masks["a/kernel"], values(model)["a/kernel"]
        drawn = np.random.default_rng(5).permutation(len(x))[:16]
        gradient = dense_gradients(model, {"a/kernel"}, LOSS, x[drawn], y[drawn])["a/kernel"]
        dynamic.on_epoch_begin(1)
        dynamic.on_train_batch_end(0)
        after = dynamic.masks["a/kernel"]
    share = 0.25 * (1 + math.cos(math.pi * 5 / 26))
    expected = slow(weight, before, np.abs(gradient), int(share * before.sum()))
    np.testing.assert_array_equal(after, expected)
    grown = after & ~before
    assert grown.any()
    new = values(model)["a/kernel"]
    assert not new[grown].any()
    np.testing.assert_array_equal(new[before & after], weight[before & after])
    slots = {v.name: v.numpy() for v in model.optimizer.variables if "a_kernel" in v.name}
    assert len(slots) == 2
    for slot in slots.values():
        assert not slot[grown].any()
        assert slot[before & after].any()


def test_a_killed_training_ends_at_the_same_bits(tmp_path):
    split = Split(*data())

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def train(folder, *others):
        model = network()
        with companion(model, "rigl") as dynamic:
            config = FitConfig(epochs=4, batch_size=8, learning_rate=0.05)
            callbacks = [dynamic, *others]
            fit(model, split, split, config, seed=1, companions=callbacks, checkpoints=folder)
        return values(model), dynamic.masks

    whole, masks = train(None)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, Killed())
    resumed, after = train(tmp_path)
    assert masks.digest() == after.digest() != start(network()).digest()
    for path in whole:
        np.testing.assert_array_equal(whole[path], resumed[path])


@pytest.mark.parametrize(
    ("target", "epochs", "reason"),
    [
        ({"pattern": "2:4"}, 1, "would break pattern 2:4.*schedule gradual"),
        ({"ratio": 0.5, "pattern": "1x4"}, 1, "would break pattern 1x4"),
        ({"ratio": 0.5, "pattern": "channel"}, 1, "removes what is pruned for good"),
        ({"ratio": 0.5, "schedule": "gradual"}, 1, "both move the masks"),
        ({"ratio": 0.5}, 0, "epochs is 0"),
    ],
)
def test_what_cannot_move_is_refused(target, epochs, reason):
    target = TargetConfig(**target)
    with pytest.raises(ValueError, match=reason):
        check_dynamic(DynamicConfig(method="rigl"), target, epochs)
    check_dynamic(DynamicConfig(), target, epochs)


def test_rigl_without_gradients_is_refused():
    model = network()
    with pytest.raises(ValueError, match="pass `gradients`"):
        DynamicSparsity(model, start(model), DynamicConfig(method="rigl"), 10)
