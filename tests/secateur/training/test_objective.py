"""Logits or probabilities: the loss fits what the model gives."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from secateur.datasets.dataset import Split
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig
from secateur.training.objective import Objective, compile_for
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import check_objective, objective_fingerprint

layers = keras.layers


def _functional(outputs):
    inputs = keras.Input((4,))
    return keras.Model(inputs, outputs(inputs))


def _nested(activation):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=activation)])
    return keras.Sequential([keras.Input((4,)), layers.Dense(4), inner])


class Subclassed(keras.Model):
    def __init__(self, activation):
        super().__init__()
        self.dense = layers.Dense(3, activation=activation)

    def call(self, inputs):
        return self.dense(inputs)


LOGITS = {
    "dense": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3)]),
    "softmax inside": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Softmax(), layers.Dense(3)]
    ),
    "scaled": lambda: _functional(lambda x: layers.Dense(3)(x) * 2),
    "nested": lambda: _nested(None),
    "subclassed": lambda: Subclassed(None),
}
PROBABILITIES = {
    "dense": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")]),
    "activation": lambda: _functional(lambda x: layers.Activation("softmax")(layers.Dense(3)(x))),
    "layer": lambda: _functional(lambda x: layers.Softmax()(layers.Dense(3)(x))),
    "operation": lambda: _functional(lambda x: keras.ops.softmax(layers.Dense(3)(x))),
    "nested": lambda: _nested("softmax"),
    "subclassed": lambda: Subclassed("softmax"),
}


def _case(make):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    model = make()
    return model, np.arange(20) % 3, model(x).numpy().astype(np.float64)


@pytest.mark.parametrize("make", LOGITS.values(), ids=LOGITS)
def test_logits_go_through_a_softmax_first(make):
    model, y, outputs = _case(make)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(20), y]).mean()
    assert float(Objective().loss(model)(y, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", PROBABILITIES.values(), ids=PROBABILITIES)
def test_probabilities_do_not(make):
    model, y, outputs = _case(make)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    expected = -np.log(outputs[np.arange(20), y]).mean()
    assert float(Objective().loss(model)(y, outputs)) == pytest.approx(expected, rel=1e-5)


def test_a_model_is_compiled_with_a_fresh_adam():
    model = LOGITS["dense"]()
    compile_for(model, keras.optimizers.Adam(0.25), steps_per_execution=3)
    first = model.optimizer
    assert isinstance(first, keras.optimizers.Adam)
    assert float(first.learning_rate) == 0.25
    assert (model.steps_per_execution, model.jit_compile) == (3, False)
    compile_for(model, keras.optimizers.Adam(0.25))
    assert model.optimizer is not first


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def _net(outputs, activation=None):
    return keras.Sequential([keras.Input((4,)), layers.Dense(outputs, activation=activation)])


@pytest.mark.parametrize("activation", [None, "sigmoid"])
@pytest.mark.parametrize(("task", "outputs"), [("binary", 1), ("multi_label", 3)])
def test_yes_or_no(task, outputs, activation):
    model, _, given = _case(lambda: _net(outputs, activation))
    shape = (20,) if task == "binary" else (20, 3)
    y = np.random.default_rng(1).integers(0, 2, shape)
    p = (given if activation else _sigmoid(given)).reshape(shape)
    objective = Objective(task)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert float(objective.loss(model)(y, given)) == pytest.approx(expected, rel=1e-4)
    (metric,) = objective.metrics(model)
    metric.update_state(y, given)
    assert (metric.name, objective.higher) == ("accuracy", True)
    assert float(metric.result()) == pytest.approx(((p > 0.5) == y).mean())


def test_regression():
    model, _, given = _case(lambda: _net(2))
    y = np.random.default_rng(1).normal(size=(20, 2))
    objective = Objective("regression")
    assert float(objective.loss(model)(y, given)) == pytest.approx(((y - given) ** 2).mean())
    (metric,) = objective.metrics(model)
    metric.update_state(y, given)
    assert (metric.name, objective.higher) == ("mae", False)
    assert float(metric.result()) == pytest.approx(np.abs(y - given).mean())


def test_each_token_has_a_class():
    model = keras.Sequential([keras.Input((5, 4)), layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    y, given = np.arange(30).reshape(6, 5) % 3, model(x).numpy().astype(np.float64)
    p = np.take_along_axis(_softmax(given), y[..., None], -1)
    objective = Objective("token_classification")
    assert float(objective.loss(model)(y, given)) == pytest.approx(-np.log(p).mean(), rel=1e-5)
    (metric,) = objective.metrics(model)
    metric.update_state(y, given)
    assert float(metric.result()) == pytest.approx((given.argmax(-1) == y).mean())


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_smoothing_spreads_a_share_of_each_label(activation):
    model, y, given = _case(lambda: _net(3, activation))
    labels = 0.7 * np.eye(3)[y] + 0.3 / 3
    expected = -(labels * np.log(given if activation else _softmax(given))).sum(-1).mean()
    assert float(Objective().loss(model, 0.3)(y, given)) == pytest.approx(expected, rel=1e-4)


def test_the_users_loss_and_metrics(tmp_path, monkeypatch):
    (tmp_path / "own_objective.py").write_text(
        "import keras\n"
        "def cubed(y, p):\n"
        "    return keras.ops.mean(keras.ops.abs(y - p) ** 3, axis=-1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model, _, given = _case(lambda: _net(2))
    y = np.random.default_rng(1).normal(size=(20, 2))
    config = ObjectiveConfig(loss="own_objective:cubed", metrics=("own_objective:cubed", "mse"))
    objective = Objective("regression", config)
    expected = (np.abs(y - given) ** 3).mean()
    assert float(objective.loss(model)(y, given)) == pytest.approx(expected, rel=1e-5)
    found = {m.name: m for m in objective.metrics(model)}
    for metric in found.values():
        metric.update_state(y, given)
    values = {name: float(metric.result()) for name, metric in found.items()}
    squared = ((y - given) ** 2).mean()
    assert values == pytest.approx({"cubed": expected, "mse": squared}, rel=1e-5)


def test_keras_losses_and_metrics_by_name_are_told_that_outputs_are_logits():
    model, _, given = _case(lambda: _net(1))
    y = np.arange(20) % 2
    config = ObjectiveConfig(loss="binary_focal_crossentropy", metrics=("AUC", "Precision"))
    objective = Objective("binary", config)
    p = _sigmoid(given[:, 0])
    right = np.where(y == 1, p, 1 - p)
    expected = (-((1 - right) ** 2) * np.log(right)).mean()
    assert float(objective.loss(model)(y, given)) == pytest.approx(expected, rel=1e-4)
    precision = objective.metrics(model)[1]
    precision.update_state(y, given)
    assert float(precision.result()) == pytest.approx(y[p > 0.5].mean())
    precision.reset_state()
    assert float(precision.result()) == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"loss": "mean_squred"}, "names the loss 'mean_squred', which Keras does not have; give"),
        ({"metrics": ("acuracy",)}, "names the metric 'acuracy', which Keras does not have; give"),
        ({"loss": "keras:nothing"}, "names 'keras:nothing', which cannot be imported"),
    ],
)
def test_a_name_that_means_nothing_is_refused(config, said):
    model, objective = _net(2), Objective("regression", ObjectiveConfig(**config))
    with pytest.raises(ValueError, match=said):
        (objective.loss if "loss" in config else objective.metrics)(model)


@pytest.mark.parametrize("name", ["a b", "os.system", "x:", ":f", "a:b:c", ""])
def test_a_loss_that_is_no_name_is_refused_at_once(name):
    with pytest.raises(ValidationError, match="give one of them"):
        ObjectiveConfig(loss=name)


@pytest.mark.parametrize("config", [{}, {"loss": "mse"}])
def test_what_has_no_labels_is_not_smoothed(config):
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1, but"):
        Objective("regression", ObjectiveConfig(**config)).loss(_net(2), 0.1)


def test_modules_have_to_be_allowed(monkeypatch):
    config = ObjectiveConfig(metrics=("json:loads",))
    with pytest.raises(ValueError, match="SECATEUR_MODEL_MODULES"):
        check_objective(config)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "json,not_there")
    check_objective(config)
    with pytest.raises(ValueError, match="'not_there', which is not installed"):
        check_objective(ObjectiveConfig(loss="not_there:f"))


def test_the_users_code_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    config = ObjectiveConfig(loss="own_code:f")
    (tmp_path / "own_code.py").write_text("def f(y, p): return y - p\n")
    before = objective_fingerprint(config)
    (tmp_path / "own_code.py").write_text("def f(y, p): return p - y\n")
    assert objective_fingerprint(config) != before
    assert objective_fingerprint(ObjectiveConfig(loss="mse")) is None


def test_balanced_classes_weigh_the_same(monkeypatch):
    """As if each example of the rare class were there more often."""
    seen = {}
    x = np.zeros((10, 4), np.float32)
    train = Split(x, np.array([0] * 8 + [1] * 2), 1.0)
    model = _net(2)
    monkeypatch.setattr(type(model), "fit", lambda self, *a, **options: seen.update(options))
    fit(model, train, train, FitConfig(class_weight="balanced"), seed=0)
    assert seen["class_weight"] == {0: 10 / 16, 1: 10 / 4}
    goal = Objective("regression")
    with pytest.raises(ValueError, match=r"fit\.class_weight is balanced, but the task regression"):
        fit(model, train, train, FitConfig(class_weight="balanced"), seed=0, objective=goal)


@pytest.mark.parametrize("logits", [True, False])
def test_perplexity_by_hand(logits):
    ends = {} if logits else {"activation": "softmax"}
    model = keras.Sequential([keras.Input((5, 2)), layers.Dense(3, **ends)])
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 3, (4, 5))
    metrics = Objective(task="language_model").metrics(model)
    assert [metric.name for metric in metrics] == ["accuracy", "perplexity"]
    for rows in (slice(0, 1), slice(1, 4)):  # batches of two sizes count by their tokens
        metrics[1].update_state(labels[rows], model(x[rows]))
    given = keras.ops.convert_to_numpy(model(x))
    shares = np.exp(given) / np.exp(given).sum(-1, keepdims=True) if logits else given
    right = np.take_along_axis(shares, labels[..., None], -1)
    assert float(metrics[1].result()) == pytest.approx(np.exp(-np.log(right).mean()), rel=1e-4)
    model.compile("adam", "mse", metrics=Objective(task="language_model").metrics(model))
    keras.models.clone_model(model)  # a compiled model can be copied
