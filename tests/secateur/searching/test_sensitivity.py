"""Curves against building a pruned copy for each point."""

from __future__ import annotations

import glob

import keras
import numpy as np
import pytest

from secateur.importance.losses import example_losses
from secateur.searching.sensitivity import sensitivity
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import apply_masks
from secateur.sparsity.layout import describe
from secateur.sparsity.select import select
from secateur.structure import analyse, choose, parts, remove
from secateur.structure.cutting import cut
from secateur.structure.layers import LayerRemoval
from tests.secateur.searching import models

RATIOS = (0.25, 0.5, 0.75)


def _measured(model, data):
    x, y = data
    outputs = model(x, training=False)
    losses = example_losses(model, models.loss())(y, outputs, None)
    right = np.argmax(keras.ops.convert_to_numpy(outputs), -1) == y
    return right.mean(), float(np.mean(losses))


def _curves(model, target, stop=1.0, **options):
    return sensitivity(
        model,
        models.scores(model),
        target,
        models.data(),
        loss=models.loss(),
        ratios=RATIOS,
        stop=stop,
        **options,
    )


def _check(found, pruned_copy):
    points = [(curve.layer, point) for curve in found.curves for point in curve.points]
    assert points
    for layer, point in points:
        accuracy, loss = _measured(pruned_copy(layer, point.ratio), models.data())
        assert point.accuracy == pytest.approx(accuracy)
        assert point.loss == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("pattern", ["weight", "2:4", pytest.param("1x4", marks=pytest.mark.slow)])
def test_weights_equal_masked_copies(pattern):
    model = models.plain()
    fixed = ":" in pattern
    before = [np.array(v) for v in model.weights]
    found = _curves(model, TargetConfig(pattern=pattern, **({} if fixed else {"ratio": 0.5})))
    assert [curve.layer for curve in found.curves] == ["conv", "hidden", "logits"]
    assert all(np.array_equal(a, v) for a, v in zip(before, model.weights, strict=True))

    def pruned_copy(layer, ratio):
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        how = {"include": (layer,)} if fixed else {"allocation": {layer: ratio}}
        target = TargetConfig(pattern=pattern, **how)
        apply_masks(copy, select(models.scores(model), target, layers=describe(model)))
        return copy

    _check(found, pruned_copy)


@pytest.mark.parametrize("make", [models.plain, models.residual])
def test_channels_equal_cut_copies(make):
    model = make()
    found = _curves(model, TargetConfig(pattern="channel", ratio=0.5))
    graph = analyse(model)
    assert sum(curve.units for curve in found.curves) == sum(g.channels for g in graph.groups)

    def pruned_copy(layer, ratio):
        allocation = {glob.escape(layer): ratio}
        chosen = choose(graph, models.scores(model), allocation=allocation, pooling="mean")
        return remove(model, chosen)

    _check(found, pruned_copy)


def test_whole_layers_equal_copies_without_them():
    model = models.residual()
    found = _curves(model, TargetConfig(pattern="layer", ratio=0.5))
    by_name = {part.name: part for part in parts(model)}
    assert {curve.layer for curve in found.curves} == set(by_name)

    def pruned_copy(layer, ratio):
        assert ratio == 1
        return remove(model, LayerRemoval(model, (by_name[layer],)))

    _check(found, pruned_copy)
    whole = model.count_params()
    for curve in found.curves:
        small = pruned_copy(curve.layer, 1)
        assert curve.parameters == whole - small.count_params()


def test_a_curve_ends_early_where_it_is_hopeless():
    """Enough examples for several batches, and a model that is right because of one layer."""
    x, y = models.data(600)
    model = models.plain()
    model.compile("adam", models.loss())
    model.fit(x, y, epochs=3, verbose=0)
    target = TargetConfig(ratio=0.5)
    options = {"loss": models.loss(), "ratios": (0.5, 0.9, 0.95, 0.99)}
    whole = sensitivity(model, models.scores(model), target, (x, y), stop=1.0, **options)
    early = sensitivity(model, models.scores(model), target, (x, y), stop=0.05, **options)
    shorter = 0
    for full, short in zip(whole.curves, early.curves, strict=True):
        assert short.points[:-1] == full.points[: len(short.points) - 1]
        for point, same in zip(short.points, full.points, strict=False):
            assert point.ratio == same.ratio
            if point.examples < 600:
                assert same.accuracy < whole.accuracy - 0.05
        shorter += len(full.points) - len(short.points)
    assert shorter > 0
    assert any(p.examples < 600 for curve in early.curves for p in curve.points)


def test_include_and_exclude():
    model = models.plain()
    found = _curves(model, TargetConfig(ratio=0.5, include=("*",), exclude=("conv",)))
    assert [curve.layer for curve in found.curves] == ["hidden", "logits"]


def test_what_cannot_be_measured_is_said():
    model = models.plain()
    with pytest.raises(ValueError, match="can be removed whole"):
        _curves(model, TargetConfig(pattern="layer", ratio=0.5))
    x, y = models.data()
    with pytest.raises(ValueError, match="validation split is empty"):
        sensitivity(
            model,
            models.scores(model),
            TargetConfig(ratio=0.5),
            (x[:0], y[:0]),
            loss=models.loss(),
            ratios=RATIOS,
        )


def test_channels_of_a_model_that_was_cut(tmp_path):
    """What is removed from a smaller model is a share of what it has left."""
    model = models.plain()
    graph = analyse(model)
    small = cut(graph, np.zeros(graph.units, bool))
    found = _curves(small, TargetConfig(pattern="channel", ratio=0.5))
    assert [curve.units for curve in found.curves] == [6, 12]
