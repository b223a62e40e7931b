"""Zeros of a model that was pruned before go first and count, against a plain sort."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import secateur
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.masks import Masks
from secateur.sparsity.select import select
from secateur.sparsity.zeros import masks_of_zeros


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(2, 9)), min_size=1, max_size=4),
    st.floats(0, 0.9),
    st.floats(0, 0.95),
    st.integers(0, 2**32),
)
def test_zeros_are_the_first_to_go_whatever_their_scores(shapes, share, ratio, seed):
    random = np.random.default_rng(seed)
    scores = {f"{i}/kernel": random.random(shape) for i, shape in enumerate(shapes)}
    kept = {path: random.random(x.shape) >= share for path, x in scores.items()}
    total = sum(x.size for x in scores.values())
    target = TargetConfig(ratio=ratio, allocation="global")
    masks = select(scores, target, zeros=Masks(kept))
    order = sorted(
        (kept[path].flat[i], scores[path].flat[i], path, i)
        for path in scores
        for i in range(scores[path].size)
    )
    zeros = sum(int((~mask).sum()) for mask in kept.values())
    floors = {path: min(1, int(mask.sum())) for path, mask in kept.items()}
    left = {path: int(mask.sum()) for path, mask in kept.items()}
    wanted = {path: mask.copy() for path, mask in kept.items()}
    budget = round(ratio * total) - zeros
    for free, _, path, i in order:
        if free and budget > 0 and left[path] > floors[path]:
            wanted[path].flat[i] = False
            left[path] -= 1
            budget -= 1
    for path in scores:
        np.testing.assert_array_equal(masks[path], wanted[path])
    free = select(scores, target.model_copy(update={"regrow": True}), zeros=Masks(kept))
    assert {p: free.bits(p).tolist() for p in free} == {
        p: m.tolist() for p, m in ((p, select(scores, target).bits(p)) for p in scores)
    }


@pytest.mark.parametrize("pattern", ["2:4", "2x2", "weight"])
def test_every_pattern_masks_them(pattern):
    random = np.random.default_rng(0)
    scores = {"a/kernel": random.random((8, 8)), "b/kernel": random.random((8, 4))}
    zeros = Masks({"a/kernel": random.random((8, 8)) > 0.3})
    how = {} if ":" in pattern else {"ratio": 0.5}
    masks = select(scores, TargetConfig(pattern=pattern, **how), zeros=zeros)
    assert not (masks["a/kernel"] & ~zeros["a/kernel"]).any()
    assert any("were zero before" in notice for notice in masks.notices)


def test_they_stay_where_nothing_is_selected():
    scores = {"a/kernel": np.ones((2, 4)), "b/kernel": np.ones((2, 4))}
    zeros = Masks({"a/kernel": np.eye(2, 4) == 0})
    masks = select(scores, TargetConfig(ratio=0.5, exclude=("a",)), zeros=zeros)
    np.testing.assert_array_equal(masks["a/kernel"], zeros["a/kernel"])
    assert masks.kept("b/kernel") == 4


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16, activation="relu"), layers.Dense(3)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize("criterion", ["magnitude", "random", "wanda", "sparsegpt", "gradient"])
def test_a_second_pruning_revives_nothing(criterion):
    model = network()
    x, y = np.random.default_rng(0).normal(size=(64, 8)).astype("float32"), np.arange(64) % 3
    first = secateur.prune(model, (x, y), ratio=0.4, criterion="random").model
    zeros = {v.path: np.array(v) == 0 for v in first.weights if v.name == "kernel"}
    how = {"allocation": "uniform"} if criterion == "sparsegpt" else {}
    second = secateur.prune(first, (x, y), ratio=0.6, criterion=criterion, epochs=1, **how)
    for v in second.model.weights:
        if v.path in zeros:
            assert not (np.array(v) != 0)[zeros[v.path]].any()
    assert second.sparsity == pytest.approx(0.6, abs=0.02)
    assert any("were zero before" in notice for notice in second.notices)


def test_a_kernel_that_begins_at_zero_is_no_pruned_one():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4),
            layers.Dense(4, kernel_initializer="zeros", name="last"),
        ]
    )
    masks = masks_of_zeros(model)
    assert not masks
    assert "last/kernel is zero as a whole" in masks.notices[0]


def test_gradual_pruning_holds_them_from_the_start():
    model = network()
    x, y = np.random.default_rng(0).normal(size=(64, 8)).astype("float32"), np.arange(64) % 3
    first = secateur.prune(model, ratio=0.4, criterion="random").model
    kernel = np.array(first.layers[0].kernel)
    second = secateur.prune(
        first, (x, y), ratio=0.6, criterion="magnitude", epochs=2, schedule="gradual", frequency=1
    )
    assert not np.array(second.model.layers[0].kernel)[kernel == 0].any()
    assert second.sparsity == pytest.approx(0.6, abs=0.02)
