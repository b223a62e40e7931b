"""What pruning changed, of real models."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from secateur.datasets.dataset import Dataset
from secateur.explanation.explain import explain
from secateur.explanation.schema import Explained
from secateur.importance.scores import Scores
from secateur.sparsity.hold import apply_masks
from secateur.sparsity.masks import Masks

SIDE, CLASSES, EXAMPLES = 6, 3, 50


def _dataset(folder, **info):
    rng = np.random.default_rng(0)
    for name in ("train", "validation", "test"):
        np.save(folder / f"{name}_x.npy", rng.integers(0, 256, (EXAMPLES, SIDE, SIDE, 1), np.uint8))
        np.save(folder / f"{name}_y.npy", rng.integers(0, CLASSES, EXAMPLES))
    known = {"name": "small", "task": "classification", "shape": [SIDE, SIDE, 1], "scale": 1 / 255}
    text = json.dumps({**known, "classes": CLASSES, "class_names": ["a", "b", "c"], **info})
    (folder / "info.json").write_text(text)
    return Dataset(folder)


def _model(softmax=False, units=8):
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.Flatten(),
        keras.layers.Dense(units, activation="relu", name="hidden"),
        keras.layers.Dense(CLASSES, activation="softmax" if softmax else None, name="logits"),
    ]
    return keras.Sequential([keras.Input((SIDE, SIDE, 1)), *layers])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return _dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=[False, True], ids=["logits", "softmax"])
def pruned(request, data):
    """A dense model, its scores and masks, and the pruned one."""
    dense, final = _model(request.param), _model(request.param)
    values = {"hidden/kernel": dense.get_layer("hidden").kernel.numpy()}
    scores = Scores({name: np.abs(value) for name, value in values.items()}, criterion="magnitude")
    masks = Masks({name: value > 0.15 for name, value in scores.items()})
    apply_masks(final, masks)
    return dense, final, scores, masks, explain(dense, final, data, scores, masks)


def test_answers_are_those_of_the_models(pruned, data):
    dense, final, _, _, told = pruned
    x, y = data.test.arrays()
    before, after = (model.predict(x, verbose=0) for model in (dense, final))
    was, now = before.argmax(-1), after.argmax(-1)
    changes = told.facts.changes
    assert changes.both_right + changes.lost == (was == y).sum()
    assert changes.both_right + changes.won == (now == y).sum()
    assert changes.changed == (was != now).sum() > 0
    if dense.get_layer("logits").activation is not keras.activations.softmax:
        after = keras.ops.convert_to_numpy(keras.ops.softmax(after))
    for flip in changes.flips:
        assert (flip.before, flip.after) == (was[flip.index], now[flip.index])
        assert flip.confidence_after == pytest.approx(after[flip.index].max(), abs=1e-4)


def test_pictures_are_those_of_the_examples(pruned, data):
    *_, told = pruned
    found, pictures = told.facts, told.pictures
    assert len(pictures) == len(found.changes.flips)
    for flip in found.changes.flips:
        np.testing.assert_array_equal(pictures[flip.picture], data.test.x[flip.index])


def test_weights_and_scores_are_counted(pruned):
    dense, _, _, masks, told = pruned
    found = told.facts
    assert [w.path for w in found.weights] == ["conv/kernel", "hidden/kernel", "logits/kernel"]
    conv, hidden, _ = found.weights
    assert (conv.scores, conv.shape_before) == (None, [3, 3, 1, 4])
    assert conv.values_after == conv.values_before
    assert (hidden.kind, hidden.layer) == ("Dense", "hidden")
    assert hidden.nonzero_after == sum(hidden.values_after.counts) == masks.kept()
    assert sum(hidden.values_before.counts) == dense.get_layer("hidden").kernel.numpy().size
    assert hidden.scores.lowest_kept > 0.15 >= hidden.scores.highest_removed
    assert found.scores == hidden.scores
    assert found.criterion == "magnitude"


def test_units_that_were_removed_for_good_show_in_the_shapes(data):
    found = explain(_model(), _model(units=5), data).facts
    hidden = next(weight for weight in found.weights if weight.layer == "hidden")
    assert (hidden.shape_before[-1], hidden.shape_after[-1]) == (8, 5)
    assert found.scores is None


def test_a_layer_that_was_removed_has_no_shape_left(data):
    shorter = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES, name="logits"),
        ]
    )
    found = explain(_model(), shorter, data).facts
    hidden = next(weight for weight in found.weights if weight.layer == "hidden")
    assert (hidden.shape_after, hidden.values_after, hidden.nonzero_after) == (None, None, 0)


def test_other_tasks_have_no_classes_to_compare(tmp_path):
    data = _dataset(tmp_path, task="regression")
    told = explain(_model(), _model(), data, task="regression")
    assert (told.facts.changes, told.pictures, told.masks) == (None, None, None)
    assert told.facts.weights


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_yes_or_no_is_two_classes(tmp_path, activation):
    data = _dataset(tmp_path, task="binary", classes=1, class_names=None)
    for name in ("train", "validation", "test"):
        np.save(tmp_path / f"{name}_y.npy", np.arange(EXAMPLES) % 2)

    def yes(seed):
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Flatten(), keras.layers.Dense(1, activation=activation)]
        return keras.Sequential([keras.Input((SIDE, SIDE, 1)), *layers])

    dense, final = yes(1), yes(2)
    changes = explain(dense, final, data, task="binary").facts.changes
    x, y = data.test.arrays()
    middle = 0.0 if activation is None else 0.5
    was = (dense.predict(x, verbose=0)[:, 0] > middle).astype(int)
    assert changes.both_right + changes.lost == (was == y).sum()
    assert [each.name for each in changes.classes] == ["0", "1"]
    assert all(flip.confidence_after >= 0.5 for flip in changes.flips)


def test_masks_are_kept_where_they_are_small_enough_to_be_drawn(pruned, data, monkeypatch):
    dense, final, scores, masks, told = pruned
    assert told.facts.masked == 1
    np.testing.assert_array_equal(told.masks["hidden/kernel"], masks["hidden/kernel"])
    monkeypatch.setattr("secateur.explanation.explain.MASK_CELLS", 10)
    large = explain(dense, final, data, scores, masks)
    assert (large.facts.masked, len(large.masks)) == (1, 0)


def test_what_is_saved_is_read_again(pruned, tmp_path):
    *_, told = pruned
    told.save(tmp_path)
    again = Explained.load(tmp_path)
    assert again.facts == told.facts
    np.testing.assert_array_equal(again.pictures, told.pictures)
    assert again.masks.digest() == told.masks.digest()
    (tmp_path / "other").mkdir()
    Explained(told.facts).save(tmp_path / "other")
    bare = Explained.load(tmp_path / "other")
    assert (bare.pictures, bare.masks) == (None, None)
