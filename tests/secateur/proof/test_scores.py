"""Scores of random models, losses and weights are those of the loop over single examples."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur.importance import losses, score
from secateur.importance.gradients import capture, engine, loop
from secateur.importance.scores import Scores
from secateur.models.weights import prunable_weights
from secateur.proof import ProofError
from tests.secateur.proof.scored import (
    CLASSES,
    MODELS,
    SLOW,
    STEPS,
    gradients_one_by_one,
    inputs,
    randomize,
)

L = keras.layers
COUNT = 9
CROSS = keras.losses.SparseCategoricalCrossentropy


def _case(name: str, loss: Any, seed: int, weights: str = "none", **options: Any) -> Any:
    """A compiled model with random weights, and data: x, y, sample weights."""
    rng = np.random.default_rng(seed)
    model = randomize(MODELS[name](), rng)
    model.compile(loss=loss, **options)
    x = inputs(model, rng, COUNT)
    steps = (6,) if name in STEPS else ()
    y = rng.integers(0, CLASSES, (COUNT, *steps))
    shape = {"none": None, "one": (COUNT,), "column": (COUNT, 1), "steps": (COUNT, *steps)}[weights]
    if shape is None:
        return model, (x, y)
    return model, (x, y, rng.uniform(0.1, 2, shape).astype("float32"))


def _expected(model: keras.Model, data: Any) -> dict[str, dict[str, np.ndarray]]:
    rows = gradients_one_by_one(model, *(*data, None)[:3], COUNT)
    value = {w.path: w.variable.numpy().astype("float64") for w in prunable_weights(model)}
    signed = {path: np.abs(value[path] * r.sum(0)) for path, r in rows.items()}
    total = sum(part.sum() for part in signed.values())
    return {
        "gradient": {path: np.abs(r).sum(0) for path, r in rows.items()},
        "taylor": {path: np.abs(value[path] * r).sum(0) for path, r in rows.items()},
        "fisher": {path: (value[path] ** 2 * r**2).sum(0) for path, r in rows.items()},
        "snip": {path: part / total for path, part in signed.items()},
    }


def _close(found: Scores, wanted: dict[str, np.ndarray]) -> bool:
    return all(
        np.abs(found[path] - array).max() <= 1e-3 * np.abs(array).max()
        for path, array in wanted.items()
    )


@pytest.mark.parametrize("name", MODELS)
def test_equal_the_loop(name: str) -> None:
    model, data = _case(name, CROSS(from_logits=True), 0)
    for criterion, wanted in _expected(model, data).items():
        found = score(model, data, criterion)
        assert _close(found, wanted), criterion
        slow = any("closed form" in notice for notice in found.notices)
        assert slow == (name in SLOW and criterion != "snip")
        (check,) = found.checks
        assert check.subject == "scores"
        assert 2 <= check.examples <= 7
        assert check.difference <= check.tolerance == 1e-3
        assert ("example by example" in check.statement) == slow


LOSSES = st.sampled_from(
    [
        CROSS(from_logits=True, ignore_class=1),
        CROSS(from_logits=True, reduction="sum"),
        CROSS(from_logits=True, reduction="mean_with_sample_weight"),
        CROSS(from_logits=True, ignore_class=0, reduction="mean_with_sample_weight"),
        lambda y, p: ops_mean(keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)),
    ]
)


def ops_mean(values: Any) -> Any:
    """A loss that couples the examples of a batch: one number for all of them."""
    return keras.ops.mean(values)


@given(
    name=st.sampled_from(["tagging", "bidirectional", "siamese", "windows"]),
    loss=LOSSES,
    weights=st.sampled_from(["none", "one", "column", "steps"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_losses_and_weights(name: str, loss: Any, weights: str, seed: int) -> None:
    model, data = _case(name, loss, seed, weights)
    assert _close(score(model, data, "gradient"), _expected(model, data)["gradient"])


@pytest.mark.parametrize("per_output", [False, True])
def test_sample_weights_by_output(per_output: bool) -> None:
    rng = np.random.default_rng(0)
    i = keras.Input((4, 3))
    outputs = {"z": L.Dense(2, name="z")(L.Flatten()(i)), "a": L.Dense(2, name="a")(i)}
    model = randomize(keras.Model(i, outputs), rng)
    model.compile(loss={"a": "mse", "z": "mae"}, loss_weights={"a": 2.0, "z": 0.5})
    x = rng.normal(size=(COUNT, 4, 3)).astype("float32")
    y = {"a": rng.normal(size=(COUNT, 4, 2)), "z": rng.normal(size=(COUNT, 2))}
    y = {key: value.astype("float32") for key, value in y.items()}
    one = rng.uniform(size=COUNT).astype("float32")
    many = rng.uniform(size=(COUNT, 4)).astype("float32")
    data = (x, y, {"a": many, "z": one} if per_output else one)
    found = score(model, data, "gradient")
    assert _close(found, _expected(model, data)["gradient"])
    assert not found.notices


def test_activation_equals_the_loop() -> None:
    """Of siamese halves and masked steps, one example after the other."""
    for name in ("siamese", "bidirectional"):
        model, data = _case(name, CROSS(from_logits=True), 1)
        whole = score(model, data, "activation")
        parts = [
            score(model, tuple(a[k : k + 1] for a in data), "activation") for k in range(COUNT)
        ]
        for path, found in whole.items():
            np.testing.assert_allclose(
                found, sum(part[path] for part in parts), rtol=1e-3, atol=1e-6
            )
        assert whole.checks[0].examples >= 2
        assert not whole.notices


def test_scores_keep_their_checks_in_a_file(tmp_path: Any) -> None:
    model, data = _case("shared", CROSS(from_logits=True), 0)
    scores = score(model, data, "gradient")
    scores.save(tmp_path / "scores.npz")
    assert Scores.load(tmp_path / "scores.npz").checks == scores.checks


def _rows_for_all(found: Any, examples: int) -> tuple[str, ...]:
    return ("rows",)


def _as_they_are(found: Any, examples: int, order: str) -> Any:
    return found


def _unrolled(self: Any, layer: Any, stack: Any) -> None:
    stack.enter_context(capture._attribute(layer, "unroll", True))


def _mean_of_all(loss: Any, labels: Any, predictions: Any, weights: Any) -> Any:
    """Averages over all positions, valid or not, and weighs examples afterwards."""
    values = keras.losses.sparse_categorical_crossentropy(labels, predictions, from_logits=True)
    axes = list(range(1, len(values.shape)))
    return tf.reduce_mean(values, axes) if axes else values


MUTANTS: dict[str, tuple[str, Any, list[tuple[Any, str, Any]]]] = {
    "rows of windows are taken for examples": (
        "windows",
        CROSS(from_logits=True),
        [(engine, "orders", _rows_for_all), (engine, "by_example", _as_they_are)],
    ),
    "rows of halves are taken for examples": (
        "siamese",
        CROSS(from_logits=True),
        [(engine, "orders", _rows_for_all), (engine, "by_example", _as_they_are)],
    ),
    "steps are taken for examples": (
        "time_major",
        CROSS(from_logits=True),
        [(engine, "orders", _rows_for_all), (engine, "by_example", _as_they_are)],
    ),
    "recurrent layers are unrolled": (
        "bidirectional",
        CROSS(from_logits=True),
        [(capture.Capture, "_skip_probe", _unrolled)],
    ),
    "ignored classes count": (
        "tagging",
        CROSS(from_logits=True, ignore_class=1),
        [(losses, "_one_output", _mean_of_all)],
    ),
    "masks do not count": (
        "tagging",
        CROSS(from_logits=True),
        [(losses, "_one_output", _mean_of_all)],
    ),
    "the valid are not counted": (
        "tagging",
        CROSS(from_logits=True, reduction="mean_with_sample_weight"),
        [(losses, "_one_output", _mean_of_all)],
    ),
    "calls are not added up before the absolute value": (
        "shared",
        CROSS(from_logits=True),
        [(engine, "weight_total", lambda f, p: tf.add_n([t.total(p) for t in f]))],
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_is_noticed_at_run_time(mutant: str, monkeypatch: Any) -> None:
    """Each mended fault put back: the proof sees it, and the scores are right all the same."""
    name, loss, faults = MUTANTS[mutant]
    model, data = _case(name, loss, 3, "steps" if name == "tagging" else "none")
    wanted = _expected(model, data)["gradient"]
    for where, attribute, fault in faults:
        monkeypatch.setattr(where, attribute, fault)
    found = score(model, data, "gradient")
    assert any("example by example" in notice for notice in found.notices)
    assert "example by example" in found.checks[0].statement
    assert _close(found, wanted)


def test_the_slow_way_is_checked_too(monkeypatch: Any) -> None:
    model, data = _case("time_major", CROSS(from_logits=True), 0)
    monkeypatch.setattr(loop, "_power", lambda values, power: values)
    with pytest.raises(ProofError, match="another in a graph"):
        score(model, data, "gradient")


def test_a_model_that_is_random_is_told() -> None:
    class Noise(L.Layer):
        def call(self, x: Any) -> Any:
            return x + tf.random.normal(tf.shape(x))

    model = keras.Sequential([keras.Input((4,)), L.Dense(5), Noise(), L.Dense(CLASSES)])
    x = np.random.default_rng(0).normal(size=(COUNT, 4)).astype("float32")
    found = score(model, (x, np.arange(COUNT) % CLASSES), "gradient", loss=CROSS(from_logits=True))
    assert "something else each time" in found.notices[0]
    assert not found.checks


def test_data_that_keras_does_not_take() -> None:
    model, (x, _) = _case("shared", CROSS(from_logits=True), 0)
    with pytest.raises(ValueError, match="Keras cannot compute the loss"):
        score(model, (x, np.zeros((COUNT, 2, 2))), "gradient")


def test_inputs_that_are_counted_twice_are_noticed(monkeypatch: Any) -> None:
    """Keras's steps before the loop: they have no part in gradients, but in norms."""
    model, (x, _) = _case("stacked", CROSS(from_logits=True), 0)
    right = score(model, (x, None), "wanda")
    assert len(right) == 5
    monkeypatch.setattr(capture.Capture, "_skip_probe", lambda *_: None)
    found = score(model, (x, None), "wanda")
    assert len(found) == 1  # the layer behind the cells
    assert "lstm_cell" in found.notices[0]
    assert right.checks[0].examples == 3
