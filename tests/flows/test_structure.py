"""Channels, heads and layers in the flow: really removed, measured, in rounds."""

from __future__ import annotations

import keras
import pytest

layers = keras.layers
pytestmark = pytest.mark.usefixtures("shared_store")


def _saved(tmp_path, **groups):
    return keras.saving.load_model(tmp_path / "out" / "model.keras")


def _runs(report):
    return [stage.name for stage in report.stages]


def test_channels_are_removed_to_a_share_of_the_parameters(quick, tmp_path):
    report = quick(target={"ratio": 0.5, "pattern": "channel", "measure": "parameters"})
    left = report.fine_tuned.parameters / report.dense.parameters
    assert left == pytest.approx(0.5, abs=0.02)
    assert report.fine_tuned.flops < 0.55 * report.dense.flops
    model = _saved(tmp_path)
    assert model.count_params() == report.fine_tuned.parameters
    assert model.output_shape == (None, 10)
    assert any(notice.startswith("Widths: ") for notice in report.notices)
    assert report.sparsity == 0
    assert report.fine_tuned.bytes["keras"].raw < 0.7 * report.dense.bytes["keras"].raw


def test_units_are_rounded(quick, tmp_path):
    quick(target={"ratio": 0.5, "pattern": "channel", "round_to": 8})
    widths = [layer.units for layer in _saved(tmp_path).layers if hasattr(layer, "units")]
    assert all(width % 8 == 0 for width in widths[:-1])
    assert widths != [64, 32, 10]


def test_rounds_of_removal_reach_the_ratio(quick):
    target = {"ratio": 0.6, "pattern": "channel", "measure": "parameters"}
    report = quick(target={**target, "schedule": "iterative", "rounds": 2})
    left = report.fine_tuned.parameters / report.dense.parameters
    assert left == pytest.approx(0.4, abs=0.03)
    assert _runs(report).count("prune") == 2


def test_gradual_channels_come_and_go_and_are_removed_in_the_end(quick, tmp_path):
    target = {"ratio": 0.5, "pattern": "channel", "schedule": "gradual", "frequency": 10}
    report = quick(target=target, fine_tune={"epochs": 2})
    assert _runs(report) == [
        *("load_data", "train", "fine_tune", "prune", "prune", "prune"),
        *("evaluate",) * 3,
        "explain",
    ]
    hidden = [layer.units for layer in _saved(tmp_path).layers if hasattr(layer, "units")][:-1]
    assert sum(hidden) == 48  # of 64 + 32
    assert report.pruned.parameters == report.fine_tuned.parameters < report.dense.parameters
    assert report.sparsity == 0


def test_channels_that_weights_leave_nothing_of_are_removed_too(quick, tmp_path):
    """The criterion is of units, so that pruning weights empties whole units."""
    report = quick(target={"ratio": 0.5}, importance={"criterion": "fpgm"})
    assert _runs(report).count("prune") == 2
    assert report.sparsity == pytest.approx(0.5, abs=1e-4)
    assert report.pruned.parameters == report.dense.parameters
    assert report.fine_tuned.parameters < report.dense.parameters
    assert report.fine_tuned.nonzero <= report.pruned.nonzero
    assert _saved(tmp_path).count_params() == report.fine_tuned.parameters
    assert any(notice.startswith("Widths: ") for notice in report.notices)


def test_channels_are_removed_to_a_share_of_the_measured_latency(quick, tmp_path):
    report = quick(target={"ratio": 0.3, "pattern": "channel", "measure": "latency"})
    assert any(notice.startswith("Latency of one example: ") for notice in report.notices)
    assert report.fine_tuned.parameters < report.dense.parameters


@pytest.fixture
def own_model(tmp_path):
    """Saves a model of the user's; gives the group `model`."""

    def save(build):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((28, 28, 1), name="image")
        model = keras.Model(inputs, layers.Dense(10, name="logits")(build(inputs)))
        model.save(tmp_path / "own.keras")
        return {"path": str(tmp_path / "own.keras")}

    return save


def test_heads_are_removed(quick, own_model, tmp_path):
    def attention(x):
        x = layers.Reshape((28, 28), name="rows")(x)
        x = layers.MultiHeadAttention(4, 8, name="attention")(x, x)
        return layers.GlobalAveragePooling1D(name="pool")(x)

    report = quick(model=own_model(attention), target={"ratio": 0.5, "pattern": "head"})
    assert _saved(tmp_path).get_layer("attention").num_heads == 2
    assert report.fine_tuned.parameters < report.dense.parameters


def test_layers_are_removed_and_need_no_scores(quick, own_model, tmp_path):
    def residual(x):
        x = layers.Flatten(name="flat")(x)
        x = layers.Dense(32, activation="relu", name="stem")(x)
        for block in "abc":
            y = layers.Dense(32, activation="relu", name=f"{block}_1")(x)
            y = layers.Dense(32, name=f"{block}_2")(y)
            x = layers.Add(name=f"{block}_add")([x, y])
        return x

    report = quick(model=own_model(residual), target={"ratio": 0.4, "pattern": "layer"})
    assert "importance" not in _runs(report)
    assert len(_saved(tmp_path).layers) < 13
    assert report.fine_tuned.parameters < report.dense.parameters


def test_where_nothing_can_go_it_is_said(quick):
    with pytest.raises(ValueError, match=r"(?i)head"):
        quick(target={"ratio": 0.5, "pattern": "head"})


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["channel", "layer"])
def test_half_the_flops_of_a_residual_network(pattern, quick):
    target = {"ratio": 0.5, "pattern": pattern, "measure": "flops"}
    groups = {"train": {"epochs": 1}, "fine_tune": {"epochs": 1}, "dataset": {"name": "digits"}}
    report = quick(model={"name": "resnet_20"}, target=target, **groups)
    tolerance = 0.02 if pattern == "channel" else 0.1
    left = report.fine_tuned.flops / report.dense.flops
    assert left == pytest.approx(0.5, abs=tolerance)
