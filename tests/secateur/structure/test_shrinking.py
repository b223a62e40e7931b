"""Shrinking: the small model equals the masked one, and what does nothing is gone."""

import keras
import numpy as np
import pytest

from secateur import structure
from secateur.models.architectures.resnet import resnet_20
from secateur.models.weights import prunable_weights, weight_paths
from secateur.structure.shrinking import shrink_masked
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import batch, outputs, randomize
from tests.secateur.structure.test_random_graphs import build, cases, few, many

L = keras.layers
ops = keras.ops


def full_masks(model):
    return {w.path: np.ones(w.variable.shape, bool) for w in prunable_weights(model)}


def masked_outputs(model, masks, x):
    """By hand: the weights set to zero in the original, and put back."""
    saved = {path: np.array(v) for path, v in weight_paths(model)}
    for path, variable in weight_paths(model):
        if path in masks:
            variable.assign(saved[path] * masks[path])
    result = outputs(model, x)
    for path, variable in weight_paths(model):
        variable.assign(saved[path])
    return result


def check_shrunk(model, masks, tolerance=1e-5):
    x = batch(model, 2)
    before = {path: np.array(v) for path, v in weight_paths(model)}
    pruned = shrink_masked(model, masks)
    for want, got in zip(masked_outputs(model, masks, x), outputs(pruned.model, x), strict=True):
        np.testing.assert_allclose(got, want, atol=tolerance * np.abs(want).max(), rtol=0)
    for path, variable in weight_paths(model):
        np.testing.assert_array_equal(np.array(variable), before[path])
    values = dict(weight_paths(pruned.model))
    assert {p: pruned.masks.shape(p) for p in pruned.masks} == {
        p: tuple(values[p].shape) for p in masks
    }
    for path in masks:  # the masks of the small model are those of what is left
        assert not np.array(values[path])[~pruned.masks[path]].any()
    return pruned


def chain(shape, *stack):
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return randomize(keras.Model(inputs, x))


def test_channels_that_nothing_reads_are_gone():
    model = chain((6,), L.Dense(8, activation="tanh", name="a"), L.Dense(3, name="b"))
    masks = full_masks(model)
    masks["b/kernel"][[1, 4, 5]] = False
    pruned = check_shrunk(model, masks)
    assert pruned.widths == {"a": (8, 5), "b": (3, 3)}


def test_only_channels_that_came_out_all_zero_go_if_that_is_asked():
    model = chain((6,), L.Dense(8, activation="tanh", name="a"), L.Dense(3, name="b"))
    masks = full_masks(model)
    masks["b/kernel"][[1, 4, 5]] = False  # nothing reads them, but they are made
    masks["a/kernel"][:, [4, 7]] = False
    pruned = shrink_masked(model, masks, empty=True)
    assert pruned.widths == {"a": (8, 6), "b": (3, 3)}
    x = batch(model)
    for want, got in zip(masked_outputs(model, masks, x), outputs(pruned.model, x), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_constant_channel_is_folded_into_the_bias_of_its_readers():
    model = chain((6,), L.Dense(8, activation="sigmoid", name="a"), L.Dense(3, name="b"))
    masks = full_masks(model)
    masks["a/kernel"][:, :5] = False
    pruned = check_shrunk(model, masks)
    assert pruned.widths["a"] == (8, 3)
    assert (np.array(pruned.model.get_layer("b").bias) != np.array(model.layers[-1].bias)).all()


@pytest.mark.parametrize(
    ("reader", "width"),
    [
        (lambda: L.Conv2D(4, 3, name="reader"), 5),
        (lambda: L.Conv2D(4, 1, padding="same", name="reader"), 5),
        (lambda: L.EinsumDense("bhwc,cde->bhwde", (7, 7, 2, 3), bias_axes="de"), 5),
        (lambda: L.EinsumDense("bhwc,cd->bhwd", (7, 7, 3), name="reader"), 8),  # no bias
        (lambda: L.Conv2D(4, 3, padding="same", name="reader"), 8),  # zeros beside the constant
        (lambda: L.Conv2D(4, 1, use_bias=False, name="reader"), 8),
        (lambda: L.Conv2DTranspose(4, 3, name="reader"), 8),
        (lambda: L.SeparableConv2D(4, 3, name="reader"), 8),
    ],
)
def test_a_constant_goes_only_where_its_reader_can_take_it_up(reader, width):
    model = chain(
        (7, 7, 3),
        L.Conv2D(8, 3, padding="same", name="maker"),
        L.BatchNormalization(),
        L.Activation("sigmoid"),
        reader(),
        L.Flatten(),
        L.Dense(2),
    )
    masks = full_masks(model)
    masks["maker/kernel"][..., :3] = False
    pruned = check_shrunk(model, masks)
    assert pruned.widths["maker"] == (8, width)
    assert ("3 channels of 'maker' are constant but stay" in str(pruned.notices)) == (width == 8)


def test_a_constant_of_zero_goes_whoever_reads_it():
    model = chain(
        (7, 7, 3),
        L.Conv2D(8, 3, padding="same", activation="relu", name="maker"),
        L.Conv2D(4, 3, padding="same", use_bias=False, name="reader"),
        L.Flatten(),
        L.Dense(2),
    )
    maker = model.get_layer("maker")
    maker.bias.assign(np.where(np.arange(8) < 3, -0.5, 0.5))
    masks = full_masks(model)
    masks["maker/kernel"][..., :5] = False  # three of them are 0 after the ReLU, two are 0.5
    pruned = check_shrunk(model, masks)
    assert pruned.widths["maker"] == (8, 5)


def test_what_only_removed_channels_read_or_make_goes_too():
    model = chain(
        (6,),
        L.Dense(8, activation="relu", name="a"),
        L.Dense(8, activation="relu", name="b"),
        L.Dense(8, activation="relu", name="c"),
        L.Dense(2, name="d"),
    )
    masks = full_masks(model)
    masks["c/kernel"][:4] = False  # nothing reads the first half of b,
    masks["b/kernel"][:3, 4:] = False  # and only that half reads three channels of a
    masks["a/kernel"][:, 6] = False  # one more of a is constant,
    masks["c/kernel"][:, 0] = masks["d/kernel"][:, 0] = False
    masks["c/kernel"][4:, 0] = False  # and so is one of c
    pruned = check_shrunk(model, masks)
    assert pruned.widths == {"a": (8, 4), "b": (8, 4), "c": (8, 7), "d": (2, 2)}


def test_a_depthwise_kernel_of_zeros_stops_what_varies():
    model = chain(
        (7, 7, 3),
        L.Conv2D(6, 1, name="before"),
        L.DepthwiseConv2D(3, padding="same", name="depthwise"),
        L.Conv2D(4, 1, name="after"),
    )
    masks = full_masks(model)
    masks["depthwise/kernel"][:, :, 2:4] = False
    pruned = check_shrunk(model, masks)
    assert pruned.widths["before"] == (6, 4)


def test_a_sum_is_constant_only_if_all_its_parts_are():
    inputs = keras.Input((6,))
    a, b = L.Dense(8, name="a")(inputs), L.Dense(8, name="b")(inputs)
    model = randomize(keras.Model(inputs, L.Dense(2, name="c")(L.Add()([a, b]))))
    masks = full_masks(model)
    masks["a/kernel"][:, :4] = masks["b/kernel"][:, 3:6] = False
    assert check_shrunk(model, masks).widths["a"] == (8, 7)


def test_a_channel_multiplied_by_something_else_is_not_constant():
    inputs = keras.Input((5, 6))
    gate = L.Dense(1, activation="sigmoid")(inputs)
    x = L.Multiply()([L.Dense(8, name="a")(inputs), gate])
    model = randomize(keras.Model(inputs, L.Dense(2)(x)))
    masks = full_masks(model)
    masks["a/kernel"][:, :4] = False
    assert check_shrunk(model, masks).widths["a"] == (8, 8)


def test_one_channel_stays_where_all_do_nothing():
    model = chain((6,), L.Dense(8, name="a"), L.Dense(3, name="b"))
    masks = full_masks(model)
    masks["a/kernel"][:] = False
    pruned = check_shrunk(model, masks)
    assert pruned.widths["a"] == (8, 1)
    assert "All channels of 'a' do nothing; one stays" in pruned.notices[0]


def test_a_head_that_the_output_ignores_is_gone_and_queries_that_are_used_stay():
    inputs = keras.Input((5, 6))
    attention = L.MultiHeadAttention(4, 3, value_dim=5, name="mha")
    model = randomize(keras.Model(inputs, L.Dense(2)(attention(inputs, inputs))))
    masks = full_masks(model)
    masks["mha/attention_output/kernel"][1] = False
    masks["mha/attention_output/kernel"][:, 2] = False
    pruned = check_shrunk(model, masks)
    assert pruned.widths["mha (heads)"] == (4, 3)
    assert (pruned.model.layers[1]._key_dim, pruned.model.layers[1]._value_dim) == (3, 4)


def test_masks_of_another_model_are_refused():
    model = chain((6,), L.Dense(8, name="a"), L.Dense(3, name="b"))
    with pytest.raises(ValueError, match="another model"):
        structure.shrink(model, {"elsewhere/kernel": np.ones(3, bool)})


@pytest.mark.parametrize("name", ["resnet_20", "UNet", "ViT", "LSTMClassifier"])
def test_architectures_after_whole_rows_were_zeroed(name):
    build = zoo.BUILT_HERE.get(name, lambda: resnet_20((16, 16, 3), 10))
    model = randomize(build())
    masks, rng = full_masks(model), np.random.default_rng(0)
    for mask in masks.values():
        mask[..., rng.random(mask.shape[-1]) < 0.3] = False
        mask[..., rng.random(mask.shape[-2]) < 0.3, :] = False
    pruned = check_shrunk(model, masks)
    assert pruned.model.count_params() < model.count_params()


def _check(program, share, seed):
    """Masks of whole rows along any axis of any kernel, and of single weights."""
    model = build(program)
    masks, rng = full_masks(model), np.random.default_rng(seed)
    for mask in masks.values():
        for axis in range(mask.ndim):
            if rng.random() < 0.5:
                np.moveaxis(mask, axis, 0)[rng.random(mask.shape[axis]) < share] = False
        mask &= rng.random(mask.shape) < 0.9
    check_shrunk(model, masks)


@few
@cases
def test_the_shrunk_model_is_the_masked_one(program, share, seed):
    _check(program, share, seed)


def test_a_layer_that_reads_a_part_of_a_group_keeps_a_channel():
    average, halves = ("channelwise", "average"), ("merged", "halves")
    program = [(average, 0, 0)] * 4 + [(halves, 0, 0), (average, 0, 0), (("unknown",), 0, 0)]
    _check([*program, (halves, 1, 29), (average, 0, 0)], 0.7, 0)


@pytest.mark.slow
@many
@cases
def test_the_shrunk_model_is_the_masked_one_at_length(program, share, seed):
    _check(program, share, seed)
