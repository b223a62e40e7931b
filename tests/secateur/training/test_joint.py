"""Losses and metrics of several outputs against the same sums by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.datasets.dataset import Split
from secateur.evaluation.accuracy import measure_accuracy
from secateur.importance.scoring import score
from secateur.training.distill_config import DistillConfig
from secateur.training.distillation import Taught
from secateur.training.joint import JointObjective, objective_of, total_loss
from secateur.training.objective import Objective, compile_for
from secateur.training.objective_config import ObjectiveConfig

layers = keras.layers
GOAL = {"kind": "classification", "size": "regression", "seen": "binary"}


def net(seed=0):
    """Logits of three classes, two numbers, and the probability of a yes."""
    keras.utils.set_random_seed(seed)
    x = keras.Input((4,))
    h = layers.Dense(8, "tanh", name="h")(x)
    given = {
        "kind": layers.Dense(3, name="a")(h),
        "size": layers.Dense(2, name="b")(h),
        "seen": layers.Dense(1, "sigmoid", name="c")(h),
    }
    return keras.Model(x, given)


@pytest.fixture
def split():
    random = np.random.default_rng(0)
    y = {
        "kind": random.integers(0, 3, 30),
        "size": random.normal(size=(30, 2)).astype(np.float32),
        "seen": random.integers(0, 2, (30, 1)).astype(np.float32),
    }
    return Split(random.normal(size=(30, 4)).astype(np.float32), y, 1.0)


def _goal(**outputs):
    return objective_of(ObjectiveConfig(outputs=outputs), GOAL)


def _losses(model, split):
    """Mean loss of each output, in NumPy."""
    x, y = split.arrays()
    z = {name: array.numpy().astype(np.float64) for name, array in model(x).items()}
    shifted = z["kind"] - z["kind"].max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    yes = np.where(y["seen"] == 1, z["seen"], 1 - z["seen"])
    return {
        "kind": -logs[np.arange(30), y["kind"]].mean(),
        "size": ((z["size"] - y["size"]) ** 2).mean(),
        "seen": -np.log(yes).mean(),
    }


def test_losses_are_added_up_by_their_weights(split):
    model = net()
    goal = _goal(size={"weight": 0.5}, seen={"weight": 3.0})
    by_hand = _losses(model, split)
    expected = by_hand["kind"] + 0.5 * by_hand["size"] + 3 * by_hand["seen"]
    loss, metrics = measure_accuracy(model, split, goal)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert list(metrics) == ["kind_accuracy", "size_mae", "seen_accuracy"]
    x, y = split.arrays()
    given = {name: array.numpy() for name, array in model(x).items()}
    assert metrics["kind_accuracy"] == pytest.approx((given["kind"].argmax(-1) == y["kind"]).mean())
    assert metrics["size_mae"] == pytest.approx(np.abs(given["size"] - y["size"]).mean(), rel=1e-5)
    assert metrics["seen_accuracy"] == pytest.approx(((given["seen"] > 0.5) == y["seen"]).mean())

    assert float(total_loss(goal, model)(y, model(x))) == pytest.approx(expected, rel=1e-5)
    compile_for(model, keras.optimizers.SGD(0.0), objective=goal)
    told = model.test_on_batch(x, y, return_dict=True)
    assert told["loss"] == pytest.approx(expected, rel=1e-5)
    assert {name: told[name] for name in metrics} == pytest.approx(metrics, rel=1e-5)


def test_weights_of_losses_count_in_the_scores(split):
    """An output whose loss does not count gives no gradient."""
    model = net()
    goal = _goal(kind={"weight": 0.0}, seen={"weight": 0.0})
    scores = score(model, split.arrays(), "gradient", loss=goal.loss(model))
    assert not scores["a/kernel"].any()
    assert not scores["c/kernel"].any()
    assert scores["b/kernel"].all()


def test_the_teacher_is_compared_output_by_output(split):
    student, teacher = net(1), net(2)
    goal = _goal(size={"weight": 0.5}, seen={"weight": 3.0})
    config = DistillConfig(weight=0.25, temperature=2.0)
    taught = Taught(student, teacher, config, goal)
    compile_for(taught, keras.optimizers.SGD(0.0), objective=goal, outputs_of=student)
    x, y = split.arrays()
    alone = 0.0
    for name, objective in goal.outputs.items():
        one, other = (keras.Model(m.input, m.output[name]) for m in (student, teacher))
        single = Taught(one, other, config, Objective(objective.task))
        compile_for(
            single, keras.optimizers.SGD(0.0), objective=Objective(objective.task), outputs_of=one
        )
        found = single.train_on_batch(x, y[name], return_dict=True)["loss"]
        alone += goal.weights[name] * float(found)
    told = taught.train_on_batch(x, y, return_dict=True)["loss"]
    assert told == pytest.approx(alone, rel=1e-5)


def test_own_losses_and_metrics_are_of_their_output(split):
    goal = _goal(size={"loss": "mae", "metrics": ("mse", "mae")})
    model = net()
    _, metrics = measure_accuracy(model, split, goal)
    assert list(metrics) == ["kind_accuracy", "size_mse", "size_mae", "seen_accuracy"]
    assert type(goal.outputs["size"].loss(model)).__name__ != "MeanSquaredError"
    assert goal.higher


def test_an_error_that_comes_first_shall_be_low():
    goal = JointObjective.of(ObjectiveConfig(), {"size": "regression", "kind": "classification"})
    assert not goal.higher


def test_smoothing_is_of_the_outputs_with_labels():
    losses = _goal().loss(net(), 0.1)
    assert set(losses) == set(GOAL)
    numbers = objective_of(ObjectiveConfig(), {"a": "regression", "b": "regression"})
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1"):
        numbers.loss(net(), 0.1)


@pytest.mark.parametrize(
    ("config", "goal", "sentence"),
    [
        ({"task": "regression"}, GOAL, "objective.task is given, but the data set has the outputs"),
        ({"metrics": ("auc",)}, GOAL, "objective.metrics is given"),
        ({"outputs": {"price": {}}}, GOAL, "'price', but the outputs .* are kind, size, seen"),
        ({"outputs": {"kind": {}}}, "regression", "has one output"),
    ],
)
def test_what_names_no_output_is_refused(config, goal, sentence):
    with pytest.raises(ValueError, match=sentence):
        objective_of(ObjectiveConfig(**config), goal)
