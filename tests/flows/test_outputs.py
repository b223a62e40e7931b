"""Models that are no classifiers go through the whole flow: outputs, pixels, tokens, rankings."""

from __future__ import annotations

import numpy as np
import pytest

NETS = '''
import keras
from keras import layers as L


def two(shape, classes):
    """Two outputs, as a list; their layers are called as the data call them."""
    x = keras.Input(shape)
    h = L.Dense(32, "relu", name="h1")(x)
    h = L.Dense(32, "relu", name="h2")(h)
    return keras.Model(x, [L.Dense(n, name=name)(h) for name, n in classes.items()])


def others(shape, classes):
    return two(shape, {"a": 3, "b": 1})


def pixels(shape, classes):
    x = keras.Input(shape)
    h = L.Conv2D(16, 3, padding="same", activation="relu", name="down")(x)
    h = L.Conv2D(16, 3, padding="same", activation="relu", name="middle")(h)
    return keras.Model(x, L.Conv2D(classes, 1, name="logits")(h))


def tokens(shape, classes):
    x = keras.Input(shape)
    h = L.Embedding(10, 16, name="embedding")(x)
    h = L.Conv1D(16, 3, padding="same", activation="relu", name="near")(h)
    return keras.Model(x, L.Dense(classes, name="logits")(h))


def ranking(shape, classes):
    """One number for each of `classes` items."""
    x = keras.Input(shape)
    h = L.Dense(16, "relu", name="h")(x)
    return keras.Model(x, L.Flatten()(L.Dense(1, name="value")(h)))


def pairs(wanted, given):
    """The logistic loss of all pairs of items."""
    ops = keras.ops
    more = ops.cast(wanted[:, :, None] > wanted[:, None, :], "float32")
    apart = given[:, :, None] - given[:, None, :]
    return ops.sum(more * ops.softplus(-apart), (1, 2)) / (1 + ops.sum(more, (1, 2)))


def first_is_best(wanted, given):
    """Whether the item that comes first is the one that is worth most."""
    ops = keras.ops
    return ops.cast(ops.argmax(wanted, -1) == ops.argmax(given, -1), "float32")
'''


@pytest.fixture
def run(tmp_path, quick, monkeypatch):
    """Prunes a model of NETS on arrays."""
    (tmp_path / "nets_of_outputs.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "nets_of_outputs")

    def prune(net, arrays, dataset=None, **more):
        np.savez(tmp_path / "data.npz", **arrays)
        fit = {"epochs": 12, "learning_rate": 0.01, "batch_size": 32}
        settings = {
            "train": fit,
            "fine_tune": {**fit, "epochs": 8},
            "importance": {"criterion": "gradient"},
            "target": {"ratio": 0.5},
        }
        return quick(
            dataset={"path": str(tmp_path / "data.npz"), **(dataset or {})},
            **{"model": {"factory": f"nets_of_outputs:{net}"}, **settings, **more},
        )

    return prune


def _random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


X = _random(400, 6)
BOTH = {
    "x": X,
    "kind": (X[:, 0] > 0).astype(int) + (X[:, 1] > 0),
    "price": X[:, :1] - X[:, 2:3],
}
OUTPUTS = {"outputs": {"kind": "classification", "price": "regression"}}


@pytest.mark.parametrize("target", [{"ratio": 0.5}, {"ratio": 0.5, "pattern": "channel"}])
def test_two_outputs(target, run, tmp_path):
    import keras

    taught = {"epochs": 8, "learning_rate": 0.01, "batch_size": 32, "keep": "best"}
    report = run(
        "two",
        BOTH,
        OUTPUTS,
        target=target,
        fine_tune={**taught, "distill": {"weight": 0.5}},
        objective={"outputs": {"price": {"loss": "huber", "weight": 2.0}}},
    )
    assert report.task == "several"
    assert list(report.dense.metrics) == ["kind_accuracy", "price_mae"]
    dense, final = report.dense.metrics, report.fine_tuned.metrics
    assert dense["kind_accuracy"] > 0.85
    assert dense["price_mae"] < 0.4
    assert final["kind_accuracy"] > 0.8
    assert final["price_mae"] < 0.5
    model = keras.saving.load_model(tmp_path / "out" / "model.keras")
    given = model(X[:5])
    assert {name: tuple(array.shape) for name, array in given.items()} == {
        "kind": (5, 3),
        "price": (5, 1),
    }
    if "pattern" in target:
        assert report.fine_tuned.parameters < 0.6 * report.dense.parameters
    else:
        assert report.sparsity == pytest.approx(0.5, abs=0.01)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "kind_accuracy" in page


def test_a_class_for_each_pixel(run):
    x = _random(120, 8, 8, 2)
    report = run("pixels", {"x": x, "y": (x[..., 0] > x[..., 1]).astype(np.uint8)})
    assert report.task == "token_classification"
    assert report.dense.metrics["accuracy"] > 0.9
    assert report.fine_tuned.metrics["accuracy"] > 0.85
    assert report.sparsity == pytest.approx(0.5, abs=0.01)


def test_a_class_for_each_token(run):
    x = np.random.default_rng(0).integers(0, 10, (200, 12))
    y = (x + np.roll(x, 1, 1) > 8).astype(int)  # by the token before as well
    report = run("tokens", {"x": x, "y": y}, {"classes": 2})
    assert report.task == "token_classification"
    assert report.dense.metrics["accuracy"] > 0.8
    assert report.fine_tuned.metrics["accuracy"] > 0.7


def test_a_ranking_by_the_users_loss_and_metric(run):
    x = _random(400, 5, 3)
    wanted = x[..., 0] - x[..., 1]
    report = run(
        "ranking",
        {"x": x, "y": wanted},
        objective={
            "loss": "nets_of_outputs:pairs",
            "metrics": ("nets_of_outputs:first_is_best",),
        },
    )
    assert list(report.dense.metrics) == ["first_is_best"]
    assert report.dense.metrics["first_is_best"] > 0.8
    assert report.fine_tuned.metrics["first_is_best"] > 0.7


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"objective": {"loss": "huber"}}, "say by objective.outputs which of them is meant"),
        ({"objective": {"outputs": {"cost": {}}}}, "outputs of the data set are kind, price"),
        ({"export": {"formats": ("saved_model",)}}, "checked on a single output"),
        ({"model": {"name": "simple_net"}}, "give a model with outputs of these names"),
        (
            {"model": {"factory": "nets_of_outputs:others"}},
            "the outputs a, b, but the data set has",
        ),
    ],
)
def test_what_does_not_go_with_several_outputs_is_refused(more, sentence, run):
    with pytest.raises(ValueError, match=sentence):
        run("two", BOTH, OUTPUTS, **more)
