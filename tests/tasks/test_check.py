"""What only the data and the model can tell is refused before any training."""

from __future__ import annotations

import pytest

from secateur.models.config import ModelConfig
from secateur.sparsity.config import TargetConfig
from secateur.tasks.check import check
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig


def _check(data, target, **model):
    return check.fn(data, ModelConfig(**model), TargetConfig(**target))


@pytest.mark.parametrize(
    "target",
    [
        {"ratio": 0.9},
        {"ratio": 0.9, "include": ["dense_*"], "exclude": ["dense_2"]},
        {"allocation": {"dense_1": 0.5, "Dense": 0.1}},
    ],
)
def test_what_fits_passes(target, data):
    _check(data, target)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({"ratio": 0.9, "include": ["conv_*"]}, r"conv_\*"),
        ({"ratio": 0.9, "exclude": ["*"]}, "exclude|nothing"),
        ({"allocation": {"conv_1": 0.5}}, "conv_1"),
        # Names are those that the model has after loading too: without that of the model itself.
        ({"ratio": 0.9, "include": ["simple_net/*"]}, r"simple_net/\*"),
    ],
)
def test_layers_that_are_not_there_are_refused(target, told, data):
    with pytest.raises(ValueError, match=told) as error:
        _check(data, target)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tuning", "objective", "told"),
    [
        ({"class_weight": "balanced"}, {"task": "regression"}, "fine_tune.class_weight is balanc"),
        ({"label_smoothing": 0.1}, {"task": "regression"}, "label_smoothing is 0.1, but a regr"),
        ({}, {"loss": "mean_squred"}, "names the loss 'mean_squred', which Keras does not have"),
        ({}, {"metrics": ["acuracy"]}, "names the metric 'acuracy', which Keras does not have"),
    ],
)
def test_a_training_that_does_not_fit_is_refused(tuning, objective, told, data):
    trainings = {"fine_tune": FineTuneConfig(**tuning)}
    goal = ObjectiveConfig(**objective)
    with pytest.raises(ValueError, match=told):
        check.fn(data, ModelConfig(), TargetConfig(ratio=0.9), (), trainings, goal)


def test_a_model_that_does_not_fit_the_data_is_refused(data):
    with pytest.raises(ValueError, match="lenet_5 takes images"):
        _check(data, {"ratio": 0.9}, name="lenet_5")


def test_a_damaged_model_file_is_refused(data, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"no \.keras file"):
        _check(data, {"ratio": 0.9}, path=str(tmp_path / "model.keras"))
