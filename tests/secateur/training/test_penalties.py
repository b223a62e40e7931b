"""Penalties against definitions spelled out, group by group and weight by weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.sparsity.layout import Layout
from secateur.training.penalties import L1, GroupLasso, keep_largest, penalized


def objective(value, z, w, threshold):
    return 0.5 * np.sum((z - w) ** 2) + threshold * value(z)


def l1_value(z):
    return np.abs(z).sum()


def group_value(groups):
    def value(z):
        return sum(np.sqrt(g.sum()) * np.linalg.norm(z[g]) for g in groups)

    return value


CONV = Layout("c", "Conv2D", (3, 2, 4, 5), (2,), (3,))
HEADS = Layout("q", "EinsumDense", (4, 2, 3), (0,), (1, 2))
LSTM = Layout("l", "LSTMCell", (3, 12), (0,), (1,), gates=4)


def groups_of(layout):
    """Masks of the groups, by looking at every index."""
    places = {}
    units = int(np.prod([layout.shape[a] for a in layout.output_axes])) // layout.gates
    for index in np.ndindex(*layout.shape):
        outputs = [index[a] for a in layout.output_axes]
        flat = np.ravel_multi_index(outputs, [layout.shape[a] for a in layout.output_axes])
        places.setdefault(int(flat) % units, []).append(index)
    masks = []
    for some in places.values():
        mask = np.zeros(layout.shape, bool)
        mask[tuple(np.transpose(some))] = True
        masks.append(mask)
    return masks


@pytest.mark.parametrize("layout", [CONV, HEADS, LSTM])
def test_group_lasso_step_and_gradient_group_by_group(layout):
    random = np.random.default_rng(0)
    weight = random.standard_normal(layout.shape).astype("float32")
    groups = groups_of(layout)
    weight[groups[0]] *= 0.02
    weight[groups[1]] = 0
    penalty, threshold = GroupLasso(layout), 0.1
    stepped, gradient = np.zeros_like(weight), np.zeros_like(weight)
    for group in groups:
        norm, root = np.linalg.norm(weight[group]), np.sqrt(group.sum())
        if norm > threshold * root:
            stepped[group] = weight[group] * (1 - threshold * root / norm)
        if norm > 0:
            gradient[group] = root * weight[group] / norm
    found = penalty.proximal(tf.constant(weight), tf.constant(threshold)).numpy()
    np.testing.assert_allclose(found, stepped, atol=1e-6)
    assert not found[groups[0]].any()
    assert found[groups[-1]].all()
    np.testing.assert_allclose(penalty.gradient(tf.constant(weight)), gradient, atol=1e-5)


@pytest.mark.parametrize(
    ("penalty", "value"), [(L1(), l1_value), (GroupLasso(CONV), group_value(groups_of(CONV)))]
)
def test_a_proximal_step_is_the_minimum(penalty, value):
    random = np.random.default_rng(1)
    weight = random.standard_normal(CONV.shape).astype("float32")
    best = penalty.proximal(tf.constant(weight), tf.constant(0.3)).numpy()
    least = objective(value, best, weight, 0.3)
    for _ in range(50):
        other = best + 0.01 * random.standard_normal(CONV.shape)
        assert objective(value, other, weight, 0.3) > least


def test_soft_thresholding_by_hand():
    weight = tf.constant([-0.5, -0.1, 0.0, 0.1, 0.3])
    np.testing.assert_allclose(
        L1().proximal(weight, tf.constant(0.2)), [-0.3, 0, 0, 0, 0.1], atol=1e-7
    )
    np.testing.assert_array_equal(L1().gradient(weight), [-1, -1, 0, 1, 1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([-2.0, -1.0, -1e-40, 0.0, 0.5, 1.0, 1e30]), min_size=1),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_keep_largest_is_a_stable_sort(lists, data):
    weights = [np.array(values, np.float32) for values in lists]
    flat = np.concatenate(weights)
    kept = data.draw(st.integers(1, flat.size))
    order = np.argsort(np.abs(flat), kind="stable")
    expected = np.where(np.isin(np.arange(flat.size), order[flat.size - kept :]), flat, 0)
    found = keep_largest([tf.constant(weight) for weight in weights], kept)
    np.testing.assert_array_equal(np.concatenate([f.numpy() for f in found]), expected)


def test_what_is_penalized():
    layers = keras.layers
    inputs = keras.Input((8, 8, 1))
    x = layers.BatchNormalization(name="n")(layers.Conv2D(2, 3, name="c")(inputs))
    x = layers.BatchNormalization(scale=False, name="m")(x)
    frozen = layers.Dense(2, name="f", trainable=False)
    model = keras.Model(inputs, frozen(layers.Flatten()(x)))
    assert [entry.variable.path for entry in penalized(model, "l1")] == ["c/kernel"]
    assert isinstance(penalized(model, "group_lasso")[0].penalty, GroupLasso)
    assert [entry.variable.path for entry in penalized(model, "batchnorm")] == ["n/gamma"]
    plain = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="no trainable scale of a BatchNormalization"):
        penalized(plain, "batchnorm")
