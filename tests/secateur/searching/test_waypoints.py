"""Predictions against built models, and equal marginal loss against trying everything."""

from __future__ import annotations

import itertools
from itertools import pairwise

import keras
import numpy as np
import pytest

from secateur.evaluation.flops import total_flops
from secateur.models.weights import prunable_weights
from secateur.searching.curves import Curve, Point, Sensitivity
from secateur.searching.prediction import Predictor
from secateur.searching.sensitivity import sensitivity
from secateur.searching.waypoints import by_loss, by_ratio
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import apply_masks
from secateur.sparsity.layout import describe
from secateur.sparsity.select import select
from secateur.structure.pruning import remove_least
from tests.secateur.searching import models


def _predictor(model):
    return Predictor(model, models.scores(model), models.data(), models.loss())


def _built(model, target):
    """Parameters, nonzero and FLOPs of the model that a target really gives."""
    if target.cuts:
        small = remove_least(
            model, models.scores(model), target, data=models.data(), loss=models.loss()
        )
        model = small.model
    else:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        apply_masks(copy, select(models.scores(model), target, layers=describe(model)))
        model = copy
    values = (keras.ops.convert_to_numpy(w.variable.value) for w in prunable_weights(model))
    nonzero = sum(int((value != 0).sum()) for value in values)
    return model.count_params(), nonzero, total_flops(model)


TARGETS = [
    {"ratio": 0.7},
    {"ratio": 0.4, "allocation": "lamp", "exclude": ("logits",)},
    {"pattern": "2:4"},
    {"pattern": "channel", "ratio": 0.5, "measure": "flops"},
    {"pattern": "channel", "ratio": 0.3, "measure": "parameters", "allocation": "uniform"},
    {"pattern": "channel", "allocation": {"*": 0.4}, "round_to": 2},
]


@pytest.mark.parametrize("make", [models.plain, models.residual])
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_predictions_are_exact(make, target):
    model, wanted = make(), TargetConfig(**target)
    found = _predictor(model).waypoint(wanted).cost
    assert (found.parameters, found.nonzero, found.flops) == _built(model, wanted)


@pytest.mark.parametrize("make", [models.plain, models.residual])
def test_shares_of_layers_are_those_of_the_masks_and_of_the_widths(make):
    model, scores = make(), models.scores(make())
    wanted = TargetConfig(ratio=0.7, allocation="lamp")
    masks = select(scores, wanted, layers=describe(model))
    shares = {path.rpartition("/")[0]: float((~masks[path]).mean()) for path in masks}
    assert _predictor(model).waypoint(wanted).layers == pytest.approx(shares)

    wanted = TargetConfig(pattern="channel", ratio=0.5, measure="flops")
    small = remove_least(model, scores, wanted, data=models.data(), loss=models.loss()).model
    found = _predictor(model).waypoint(wanted).layers
    before, after = (
        {w.layer.name: w.variable.shape[-1] for w in prunable_weights(m)} for m in (model, small)
    )
    assert set(found) <= set(before)
    for name, share in found.items():
        assert share == pytest.approx(1 - after[name] / before[name])
    assert any(found.values())


def test_predictions_of_whole_layers_are_exact():
    model = models.residual()
    wanted = TargetConfig(pattern="layer", ratio=0.5)
    found = _predictor(model).waypoint(wanted).cost
    assert (found.parameters, found.nonzero, found.flops) == _built(model, wanted)


def test_zeros_that_are_there_do_not_count_twice():
    model = models.plain()
    kernel = model.get_layer("hidden").kernel
    kernel.assign(kernel.numpy() * (np.arange(12) % 2))
    found = _predictor(model).waypoint(TargetConfig(ratio=0.2)).cost
    assert found.nonzero == _built(model, TargetConfig(ratio=0.2))[1]


def _check_falling(found):
    predicted = [found.dense, *(point.cost for point in found.points)]
    costs = [getattr(cost, found.measure) for cost in predicted]
    assert len(costs) > 3
    assert all(later < earlier for earlier, later in pairwise(costs))
    return costs


@pytest.mark.parametrize(
    ("target", "measure"),
    [
        (TargetConfig(ratio=0.5), "nonzero"),
        (TargetConfig(ratio=0.5, pattern="channel"), "flops"),
        (TargetConfig(ratio=0.5, pattern="channel"), "parameters"),
    ],
)
def test_waypoints_fall_step_by_step(target, measure):
    model = models.residual()
    predictor = _predictor(model)
    curves = sensitivity(
        model,
        models.scores(model),
        target,
        models.data(),
        loss=models.loss(),
        ratios=(0.2, 0.5, 0.8),
    )
    ways = by_ratio(predictor, target, measure), by_loss(predictor, target, measure, curves)
    for found in ways:
        costs = _check_falling(found)
        assert costs[-1] < 0.25 * costs[0]
        for point in found.points[:: max(1, len(found.points) // 3)]:
            assert point == predictor.waypoint(point.target)


def _sensitivity(losses, sizes, pattern="weight"):
    """Curves of layers from their losses at the ratios 0.25, 0.5, 0.75."""
    curves = [
        Curve(
            layer=name,
            kind="Dense",
            units=size,
            parameters=size,
            flops=size,
            points=[
                Point(ratio=r, accuracy=0.5, loss=x, examples=9)
                for r, x in zip((0.25, 0.5, 0.75), own, strict=False)
            ],
        )
        for (name, own), size in zip(losses.items(), sizes, strict=True)
    ]
    return Sensitivity(pattern=pattern, accuracy=0.9, loss=0.0, examples=9, curves=curves)


def test_equal_marginal_loss_is_the_best_of_all_ways_to_share():
    """Of all combinations of measured ratios none removes as much at a smaller sum of losses."""
    model = models.plain()
    sizes = [w.variable.numpy().size for w in prunable_weights(model)]
    losses = {"conv": [0.1, 0.3, 0.9], "hidden": [0.2, 0.5, 1.0], "logits": [0.05, 0.2, 0.6]}
    curves = _sensitivity(losses, sizes)
    found = by_loss(_predictor(model), TargetConfig(ratio=0.5), "nonzero", curves)
    steps = (0.0, 0.25, 0.5, 0.75)

    def lost(ratios):
        return sum(np.interp(ratios.get(name, 0.0), steps, [0, *x]) for name, x in losses.items())

    def removed(ratios):
        return sum(ratios.get(name, 0.0) * size for name, size in zip(losses, sizes, strict=True))

    every = [dict(zip(losses, some, strict=True)) for some in itertools.product(steps, repeat=3)]
    checked = 0
    for point in found.points:
        ratios = point.target.allocation
        if max(ratios.values()) > 0.75:
            break
        others = [lost(other) for other in every if removed(other) >= removed(ratios)]
        assert all(loss >= lost(ratios) - 1e-9 for loss in others)
        checked += 1
    assert checked > 5


def test_layers_take_an_n_of_m_pattern_one_by_one():
    model = models.plain()
    sizes = [w.variable.numpy().size for w in prunable_weights(model)]
    curves = _sensitivity({"conv": [], "hidden": [0.9], "logits": [0.0001]}, sizes, "2:4")
    found = by_loss(_predictor(model), TargetConfig(pattern="2:4"), "nonzero", curves)
    assert [point.target.include for point in found.points] == [("logits",), ("logits", "hidden")]
    _, nonzero, _ = _built(model, found.points[1].target)
    assert found.points[1].cost.nonzero == nonzero


def test_names_with_brackets_are_names():
    curves = _sensitivity({"a[1]": [0.1, 0.2, 0.3]}, [100])
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, name="a[1]")])
    found = by_loss(_predictor(model), TargetConfig(ratio=0.5), "nonzero", curves)
    assert set(found.points[0].target.allocation) == {"a[[]1]"}


def test_what_has_no_ratio_is_said():
    model = models.plain()
    with pytest.raises(ValueError, match="use by_loss"):
        by_ratio(_predictor(model), TargetConfig(pattern="2:4"), "nonzero")
    with pytest.raises(ValueError, match="use by_ratio"):
        by_loss(_predictor(model), TargetConfig(pattern="layer", ratio=0.5), "flops", None)
