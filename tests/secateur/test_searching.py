"""`secateur.search` as a notebook calls it, and the deciding with an evaluator of a test's own."""

import keras
import numpy as np
import pytest

import secateur
from secateur.evaluation.flops import total_flops
from secateur.models.weights import content_digest
from secateur.searching.config import SearchConfig
from secateur.searching.target_config import SearchTarget

L = keras.layers
FEW = SearchConfig(fresh_seeds=2)


@pytest.fixture(scope="module")
def splits():
    """Four classes that a small network tells apart: training and validation examples."""
    random = np.random.default_rng(0)
    x = random.standard_normal((900, 8)).astype("float32")
    y = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    return (x[:600], y[:600]), (x[600:], y[600:])


@pytest.fixture(scope="module")
def trained(splits):
    keras.utils.set_random_seed(0)
    layers = [L.Dense(24, activation="relu", name="a"), L.Dense(16, activation="relu", name="b")]
    model = keras.Sequential([keras.Input((8,)), *layers, L.Dense(4, name="logits")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(*splits[0], epochs=15, verbose=0)
    return model


def _accuracy(model, split):
    """By hand."""
    return float((np.array(model(split[0])).argmax(-1) == split[1]).mean())


def test_the_smallest_within_a_drop(trained, splits):
    before = content_digest(trained)
    found = secateur.search(
        trained, *splits, accuracy_drop=0.05, criterion="magnitude", epochs=2, search=FEW
    )
    assert content_digest(trained) == before
    assert found.outcome.costs["bytes"] < found.dense["bytes"]
    assert found.dense["nonzero"] == sum(
        int(np.count_nonzero(layer.kernel)) for layer in trained.layers
    )
    lost = _accuracy(trained, splits[1]) - np.mean([r.mean() for r in found.outcome.right])
    assert found.outcome.drop.value == pytest.approx(lost, abs=1e-9)
    assert lost <= 0.05
    best = max(run.mean() for run in found.outcome.right)
    assert _accuracy(found.model, splits[1]) == pytest.approx(best)
    assert found.pruned.sparsity > 0.2
    tried = [outcome.candidate.number for step in found.steps for outcome in step.outcomes]
    assert len(tried) == len(set(tried)) > 2
    assert "points lost" in str(found)


@pytest.mark.parametrize("strategy", ["guided", "tpe"])
def test_the_best_that_fits(strategy, trained, splits):
    settings = SearchConfig(strategy=strategy, trials=3, fresh_seeds=1)
    found = secateur.search(
        trained, *splits, flops=0.5, criterion="magnitude", epochs=3, search=settings
    )
    assert total_flops(found.model) <= 0.5 * total_flops(trained)
    assert found.pruned.widths


def test_channels_first_then_weights(trained, splits):
    found = secateur.search(
        trained,
        *splits,
        accuracy_drop=0.1,
        criterion="magnitude",
        epochs=1,
        search=SearchConfig(strategy="bisection", fresh_seeds=1),
        target=SearchTarget(pattern=("channel", "weight")),
    )
    assert [step.pattern for step in found.steps] == ["channel", "weight"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "No budget is given"),
        ({"accuracy_drop": 0.1, "flops": 0.5}, "pass one of them"),
        ({"flops": 0.5, "minimize": "bytes"}, "leave minimize out"),
        ({"accuracy_drop": 0.1, "criterion": "sparsegpt"}, "gives no scores"),
        ({"accurcy_drop": 0.1}, "Extra inputs"),
        (
            {"accuracy_drop": 0.1, "minimize": "flops", "target": SearchTarget(pattern=("2:4",))},
            "do not go together",
        ),
    ],
)
def test_bad_calls_are_refused(options, said, trained, splits):
    with pytest.raises(ValueError, match=said):
        secateur.search(trained, *splits, **options)


def test_a_validation_without_labels_is_refused(trained, splits):
    with pytest.raises(ValueError, match="class label"):
        secateur.search(trained, splits[0], (splits[1][0], splits[1][0]), accuracy_drop=0.1)


def test_a_budget_that_nothing_meets(trained, splits):
    with pytest.raises(RuntimeError, match="no model that was tried keeps the budget"):
        secateur.search(trained, *splits, bytes=1, criterion="magnitude", search=FEW)


def test_sensitivity_is_what_masking_one_layer_does(trained, splits):
    """By hand: the lowest half of one kernel set to zero."""
    found = secateur.sensitivity(trained, *splits, criterion="magnitude")
    assert [curve.layer for curve in found.curves] == ["a", "b", "logits"]
    assert found.accuracy == pytest.approx(_accuracy(trained, splits[1]))
    layer = trained.get_layer("b")
    before = np.array(layer.kernel)
    low = np.argsort(np.abs(before), axis=None)[: before.size // 2]
    masked = before.copy()
    masked.reshape(-1)[low] = 0
    layer.kernel.assign(masked)
    (point,) = [p for p in found.curves[1].points if p.ratio == 0.5]
    assert point.accuracy == pytest.approx(_accuracy(trained, splits[1]))
    layer.kernel.assign(before)


def test_evaluate_measures_and_counts(trained, splits):
    found = secateur.evaluate(trained, splits[1])
    assert found.metrics["accuracy"] == pytest.approx(_accuracy(trained, splits[1]))
    assert found.parameters == trained.count_params()
    assert found.prunable == sum(layer.kernel.numpy().size for layer in trained.layers)
    assert found.flops == total_flops(trained)
    half = secateur.prune(trained, ratio=0.5, criterion="magnitude").model
    assert secateur.evaluate(half).sparsity == pytest.approx(0.5, abs=0.01)
    assert "zero" in str(found)
    with pytest.raises(ValueError, match="compiled model"):
        secateur.evaluate(keras.Sequential([keras.Input((8,)), L.Dense(4)]), splits[1])


def test_inspect_shows_what_can_go(trained):
    found = secateur.inspect(trained)
    assert [group.channels for group in found.graph.groups] == [24, 16]
    assert "logits" in str(found)
