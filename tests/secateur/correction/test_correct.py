"""Pruned models mended on calibration inputs: each layer as close to the dense one as can be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.correction import correct as correction
from secateur.correction.correct import correct
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import apply_masks
from secateur.sparsity.masks import Masks
from secateur.structure.pruning import remove_least

L = keras.layers


def network():
    """Every kind of layer that can be fitted, with activations in layers of their own."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = L.ReLU()(L.Conv2D(6, 3, strides=2, padding="same", name="conv")(x))
    y = L.ReLU()(L.Conv2D(8, 3, groups=2, dilation_rate=2, padding="same", name="grouped")(y))
    y = L.ReLU()(L.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise")(y))
    y = L.Reshape((9, 16))(y)
    y = L.EinsumDense("abc,cde->abde", (9, 2, 5), bias_axes="de", name="heads")(y)
    y = L.EinsumDense("abde,def->abf", (9, 6), bias_axes="f", name="joined")(y)
    y = L.LayerNormalization(name="norm")(y)
    y = L.Dense(7, use_bias=False, name="plain")(y)
    return keras.Model(x, L.Dense(4, name="out")(L.Flatten()(y)))


def data(n=300):
    return np.random.default_rng(1).standard_normal((n, 8, 8, 3)).astype("float32"), np.zeros(n)


def masked(model, share=0.6):
    random = np.random.default_rng(2)
    masks = Masks(
        {w.path: random.random(w.variable.shape) > share for w in prunable_weights(model)}
    )
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    apply_masks(twin, masks)
    return twin, masks


def slope(layer, x, y, left=slice(None)):
    """Derivatives of the mean squared error of a layer's outputs, and the error."""
    with tf.GradientTape() as tape:
        variables = [v.value for v in layer.trainable_variables]
        tape.watch(variables)
        wanted = np.take(y, np.arange(y.shape[-1])[left], -1)
        error = tf.reduce_mean(tf.square(layer(x) - wanted))
    return [g.numpy() for g in tape.gradient(error, variables)], float(error)


def seen(model, x):
    """Inputs and outputs of all layers with weights, by name."""
    layers = [layer for layer in model.layers if layer.weights]
    ends = keras.Model(model.input, [[layer.input, layer.output] for layer in layers])
    return dict(zip([layer.name for layer in layers], ends(x), strict=True))


def test_every_layer_is_at_the_least_squares_of_its_support():
    dense = network()
    pruned, masks = masked(dense)
    before, inputs = [w.copy() for w in dense.get_weights()], data()[0]
    outputs = dense(inputs)
    worse = np.mean((outputs - pruned(inputs)) ** 2)
    notices = correct(pruned, dense, data(), masks=masks, damping=1e-8, batch_norm=False)
    assert notices == []
    for old, new in zip(before, dense.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    layers = [layer for layer in pruned.layers if layer.weights and layer.name != "norm"]
    assert len(layers) == 7
    found, wanted = seen(pruned, inputs), seen(dense, inputs)
    for layer in layers:
        gradients, error = slope(layer, found[layer.name][0], wanted[layer.name][1])
        weight = layer.trainable_variables[0].numpy()
        mask = masks[f"{layer.name}/{layer.trainable_variables[0].name}"]
        assert not weight[~mask].any()
        assert error > 1e-6
        assert np.abs(gradients[0][mask]).max() < 1e-4
        assert layer.name == "plain" or np.abs(gradients[1]).max() < 1e-4
    assert np.mean((outputs - pruned(inputs)) ** 2) < 0.8 * worse


def test_means_are_those_of_the_dense_model_after_bias_correction():
    dense = network()
    pruned, masks = masked(dense)
    kernels = [w.variable.numpy() for w in prunable_weights(pruned)]
    correct(pruned, dense, data(), method="bias", masks=masks)
    for before, weight in zip(kernels, prunable_weights(pruned), strict=True):
        np.testing.assert_array_equal(before, weight.variable.numpy())
    found, wanted = seen(pruned, data()[0]), seen(dense, data()[0])
    for name in ("conv", "grouped", "depthwise", "heads", "joined", "out"):
        mine, other = found[name][1].numpy(), wanted[name][1].numpy()
        axes = tuple(range(mine.ndim - (2 if name == "heads" else 1)))
        np.testing.assert_allclose(mine.mean(axes), other.mean(axes), atol=1e-4)


def small(model, **target):
    scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
    return remove_least(model, scores, TargetConfig(pattern="channel", **target))


def test_consumers_of_channels_that_went_are_fitted():
    dense = network()
    cut = small(dense, ratio=0.4, exclude=("plain",))
    assert cut.kept
    inputs = data()[0]
    worse = np.mean((dense(inputs) - cut.model(inputs)) ** 2)
    assert correct(cut.model, dense, data(), kept=cut.kept, damping=1e-8) == []
    fitted, found, wanted = 0, seen(cut.model, inputs), seen(dense, inputs)
    for layer in cut.model.layers:
        if not isinstance(layer, (L.Conv2D, L.Dense)):
            continue
        left = cut.kept.get(f"{layer.name}/bias", {}).get(0, slice(None))
        gradients, _ = slope(layer, found[layer.name][0], wanted[layer.name][1], left)
        assert all(np.abs(gradient).max() < 1e-4 for gradient in gradients)
        fitted += 1
    assert fitted == 4
    assert np.mean((dense(inputs) - cut.model(inputs)) ** 2) < worse


def test_what_another_channel_can_give_is_not_lost():
    """A channel that is a multiple of another: without it the outputs can be the same."""
    keras.utils.set_random_seed(1)
    x = keras.Input((6, 6, 2))
    y = L.Conv2D(3, 3, padding="same", activation="relu", name="a")(x)
    dense = keras.Model(x, L.Conv2D(4, 3, strides=2, name="b")(y))
    kernel, bias = dense.get_layer("a").get_weights()
    kernel[..., 1], bias[1] = 0.1 * kernel[..., 0], 0.1 * bias[0]
    dense.get_layer("a").set_weights([kernel, bias])
    cut = small(dense, ratio=0.3, include=("a",))
    assert cut.widths["a"] == (3, 2)
    inputs = np.random.default_rng(0).standard_normal((200, 6, 6, 2)).astype("float32")
    assert np.abs(dense(inputs) - cut.model(inputs)).max() > 0.01
    correct(cut.model, dense, (inputs, None), kept=cut.kept, damping=1e-9)
    np.testing.assert_allclose(dense(inputs), cut.model(inputs), atol=1e-4)


def test_shared_layers_and_those_that_cannot_be_fitted(monkeypatch):
    keras.utils.set_random_seed(0)
    shared = L.Dense(5, name="shared")
    x = keras.Input((4, 5))
    y = L.LSTM(5, return_sequences=True, name="lstm")(shared(L.ReLU()(shared(x))))
    y = L.BatchNormalization(name="bn")(y)
    dense = keras.Model(x, L.Dense(2, name="out")(L.Flatten()(y)))
    pruned, masks = masked(dense)
    inputs = np.random.default_rng(0).standard_normal((200, 4, 5)).astype("float32")
    statistics = pruned.get_layer("bn").moving_mean.numpy()
    notices = correct(pruned, dense, (inputs, None), masks=masks)
    assert len(notices) == 1
    assert "lstm/lstm_cell/kernel, lstm/lstm_cell/recurrent_kernel" in notices[0]
    assert np.any(pruned.get_layer("bn").moving_mean.numpy() != statistics)
    for path in masks:
        weight = next(w for w in prunable_weights(pruned) if w.path == path)
        assert not weight.variable.numpy()[~masks[path]].any()
    monkeypatch.setattr(correction, "_GRAM_BYTES", 400)
    notices = correct(pruned, dense, (inputs, None), masks=masks)
    assert any("out/kernel has 20 inputs, too many" in notice for notice in notices)


def test_bad_arguments():
    dense = network()
    with pytest.raises(ValueError, match="use none, bias or least_squares"):
        correct(dense, dense, data(), method="lstsq")
    with pytest.raises(ValueError, match="damping must be above 0"):
        correct(dense, dense, data(), damping=0)
