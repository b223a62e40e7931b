"""New heads, zeros that stay, and bodies that are frozen."""

import keras
import numpy as np
import pytest

from secateur.sparsity.hold import apply_masks, hold
from secateur.sparsity.zeros import masks_of_zeros
from secateur.training.heads import (
    HeadError,
    freeze_body,
    replace_head,
    start_anew,
    thaw,
)


def _net(*after):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    x = keras.layers.Dense(5, activation="relu", name="body")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dense(3, name="head")(x)
    for layer in after:
        x = layer(x)
    model = keras.Model(inputs, x)
    kernel = model.get_layer("body").kernel
    value = kernel.numpy()
    value[np.abs(value) < 0.3] = 0
    kernel.assign(value)
    return model


@pytest.mark.parametrize("after", [(), (keras.layers.Softmax(),), (keras.layers.Dropout(0.1),)])
def test_the_body_stays_and_the_head_is_new(after):
    model = _net(*after)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    new, head = replace_head(model, 7)
    assert head == "head"
    assert new.output_shape == (None, 7)
    assert [type(layer) for layer in new.layers] == [type(layer) for layer in model.layers]
    features = keras.Model(model.inputs, model.get_layer("norm").output)(x)
    logits = features @ new.get_layer("head").kernel + new.get_layer("head").bias
    for layer in new.layers[4:]:
        logits = layer(logits)
    np.testing.assert_allclose(new(x), logits, atol=1e-5)


def test_a_sequential_model_and_a_nested_body():
    body = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, name="inner")], name="body")
    model = keras.Sequential([keras.Input((6,)), body, keras.layers.Dense(2, name="head")])
    new, head = replace_head(model, 5)
    assert (head, new.output_shape) == ("head", (None, 5))
    assert new.get_layer("body") is body


def test_what_has_no_head_is_refused():
    inputs = keras.Input((6,))
    out = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(2)(inputs))
    normalised = keras.Model(inputs, out)
    with pytest.raises(HeadError, match="comes from 'norm', a BatchNormalization"):
        replace_head(normalised, 3)
    twice = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(3)(inputs)])
    with pytest.raises(HeadError, match="2 outputs"):
        replace_head(twice, 3)

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(HeadError, match="subclassed"):
        replace_head(Own(), 3)


def test_a_way_to_train_that_would_be_lost_is_refused():
    class Own(keras.Model):
        def compute_loss(self, *given, **named):
            return super().compute_loss(*given, **named)

    inputs = keras.Input((4,))
    with pytest.raises(HeadError, match="compute_loss of its own"):
        replace_head(Own(inputs, keras.layers.Dense(3)(inputs)), 2)


def test_masks_are_the_zeros_of_the_body():
    new, head = replace_head(_net(), 3)
    new.get_layer("head").kernel.assign(np.zeros((5, 3)))
    masks = masks_of_zeros(new, without=head)
    assert list(masks) == ["body/kernel"]
    np.testing.assert_array_equal(masks["body/kernel"], new.get_layer("body").kernel.numpy() != 0)


def test_a_fresh_start_has_other_weights_and_the_same_zeros():
    new, head = replace_head(_net(), 3)
    masks = masks_of_zeros(new, without=head)
    keras.utils.set_random_seed(5)
    fresh = start_anew(new)
    apply_masks(fresh, masks)
    ours, theirs = (m.get_layer("body").kernel.numpy() for m in (new, fresh))
    np.testing.assert_array_equal(ours != 0, theirs != 0)
    assert not np.isclose(ours[ours != 0], theirs[ours != 0]).any()


def test_a_frozen_body_does_not_move_and_thawed_zeros_stay():
    new, head = replace_head(_net(), 3)
    masks = masks_of_zeros(new, without=head)
    x = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    y = np.arange(32) % 3

    def train():
        new.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        new.fit(x, y, verbose=0, epochs=2)

    before = {w.path: w.numpy() for w in new.weights}
    freeze_body(new, head)
    train()
    moved = {w.path for w in new.weights if not np.array_equal(before[w.path], w.numpy())}
    assert moved == {"head/kernel", "head/bias"}
    thaw(new)
    with hold(new, masks):
        train()
    kernel = new.get_layer("body").kernel.numpy()
    np.testing.assert_array_equal(kernel != 0, masks["body/kernel"])
    assert not np.array_equal(kernel, before["body/kernel"])
