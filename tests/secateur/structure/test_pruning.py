"""From scores and a target to a smaller model; BatchNorm measured anew; masks of a removal."""

import keras
import numpy as np
import pytest
from hypothesis import example

from secateur import structure
from secateur.evaluation.flops import total_flops
from secateur.models.architectures.resnet import resnet_20
from secateur.sparsity.config import TargetConfig
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import batch, magnitude, outputs, random_removal, randomize
from tests.secateur.structure.test_random_graphs import build, cases, few

L = keras.layers


@pytest.fixture(scope="module")
def resnet():
    return randomize(resnet_20((16, 16, 3), 10))


def test_channels_go_until_half_the_flops_are_left(resnet):
    target = TargetConfig(pattern="channel", measure="flops", ratio=0.5)
    pruned = structure.remove_least(resnet, magnitude(resnet), target)
    assert total_flops(pruned.model) == pytest.approx(0.5 * total_flops(resnet), rel=0.02)
    for layer in resnet.layers:
        if isinstance(layer, L.Conv2D):
            left = pruned.model.get_layer(layer.name).filters
            assert pruned.widths[layer.name] == (layer.filters, left)


@pytest.mark.parametrize("criterion", ["scores", "loss", "similarity"])
def test_layers_go_until_a_third_of_the_flops_is_gone(resnet, criterion):
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(16, 16, 16, 3)).astype("float32"), rng.integers(0, 10, 16))
    target = TargetConfig(pattern="layer", measure="flops", ratio=0.3, rank_layers=criterion)
    pruned = structure.remove_least(
        resnet,
        magnitude(resnet),
        target,
        data=data,
        loss="sparse_categorical_crossentropy",
    )
    assert total_flops(pruned.model) == pytest.approx(0.7 * total_flops(resnet), rel=0.1)
    gone = {name for name, (_, after) in pruned.widths.items() if after == 0}
    left = {layer.name for layer in pruned.model.layers}
    assert gone
    assert gone.isdisjoint(left)


def test_heads_go_and_nothing_else():
    model = randomize(zoo.vit())
    pruned = structure.remove_least(
        model, magnitude(model), TargetConfig(pattern="head", ratio=0.5, allocation="uniform")
    )
    changed = {name: pair for name, pair in pruned.widths.items() if pair[0] != pair[1]}
    assert changed == {f"block_{i}_attention (heads)": (4, 2) for i in range(2)}


def test_shares_by_layer_need_no_ratio(resnet):
    target = TargetConfig(pattern="channel", allocation={"stage_1_*_1_conv": 0.5})
    widths = structure.remove_least(resnet, magnitude(resnet), target).widths
    changed = {name: pair for name, pair in widths.items() if pair[0] != pair[1]}
    assert changed == {f"stage_1_block_{i}_1_conv": (16, 8) for i in (1, 2, 3)}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (TargetConfig(pattern="2:4"), "channel, head or layer"),
        (TargetConfig(ratio=0.5), "channel, head or layer"),
        (TargetConfig(pattern="channel", threshold=0.1), "channel, head or layer"),
        (TargetConfig(pattern="head", ratio=0.5), "no group of the kinds"),
    ],
)
def test_bad_targets_are_refused_in_one_sentence(resnet, target, message):
    with pytest.raises(ValueError, match=message):
        structure.remove_least(resnet, magnitude(resnet), target)


@few
@cases
@example(  # channels that nothing reads
    program=[
        (("merged", "halves"), 0, 0),
        (("channelwise", "average"), 0, 0),
        (("unknown",), 6, 0),
    ],
    share=0.3,
    seed=0,
)
def test_shrinking_by_the_masks_of_a_removal_is_the_removal(program, share, seed):
    """Without the widths of attention's keys, whose product no kernel reads."""
    model = build(program)
    graph = structure.analyse(model)
    removed = random_removal(graph, share, seed)
    for group in graph.groups:
        if group.kind == "width":
            removed[group.units] = False
    removal = structure.Removal(graph, removed)
    want, got = structure.remove(model, removal), structure.shrink(model, removal.masks)
    assert [w.shape for w in got.weights] == [w.shape for w in want.weights]
    x = batch(model, 2)
    for a, b in zip(outputs(want, x), outputs(got, x), strict=True):
        np.testing.assert_allclose(b, a, atol=1e-5 * np.abs(a).max())


def test_batch_norm_is_measured_anew_layer_by_layer():
    """By hand: the second layer sees the first one normalised by its batch; dropout is off."""
    x = inputs = keras.Input((4,))
    x = L.BatchNormalization(name="first", momentum=0.9)(L.Dense(5, name="a")(x))
    x = L.Dropout(0.9)(x)
    x = L.BatchNormalization(name="second")(L.Dense(3, name="b")(x))
    x = L.BatchNormalization(name="frozen", trainable=False)(x)
    model = randomize(keras.Model(inputs, x))
    data = np.random.default_rng(0).normal(2, 3, (64, 4)).astype("float32")
    frozen = [np.array(w) for w in model.get_layer("frozen").weights]
    assert structure.recalibrate(model, (data, None), examples=None, batch_size=64) == 2

    def dense(h, name):
        layer = model.get_layer(name)
        return h @ np.array(layer.kernel) + np.array(layer.bias)

    h = dense(data, "a")
    first, second = model.get_layer("first"), model.get_layer("second")
    np.testing.assert_allclose(first.moving_mean, h.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first.moving_variance, h.var(0), rtol=1e-4)
    h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-3)
    h = dense(h * np.array(first.gamma) + np.array(first.beta), "b")
    np.testing.assert_allclose(second.moving_mean, h.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second.moving_variance, h.var(0), rtol=1e-4)
    assert first.momentum == 0.9
    for before, after in zip(frozen, model.get_layer("frozen").weights, strict=True):
        np.testing.assert_array_equal(np.array(after), before)


def test_several_batches_count_the_same():
    inner = keras.Sequential([keras.Input((4,)), L.BatchNormalization(name="norm")])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(inputs))
    data = np.random.default_rng(0).normal(2, 3, (60, 4)).astype("float32")
    structure.recalibrate(model, (data, None), batch_size=20)
    norm = inner.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, data.mean(0), rtol=1e-4)
    assert structure.recalibrate(keras.Model(inputs, L.Dense(2)(inputs)), (data, None)) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda model: structure.remove_least(model, {}, TargetConfig(pattern="channel", ratio=0.5)),
        lambda model: structure.remove_least(model, {}, TargetConfig(pattern="layer", ratio=0.5)),
        lambda model: structure.shrink(model, {}),
    ],
)
def test_subclassed_models_are_refused_with_what_works_instead(call):
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"not a Functional or Sequential model"):
        call(Mine())
