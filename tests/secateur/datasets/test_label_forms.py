"""Labels are understood in whatever way they are written, or it is told what to say."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.datasets.config import DatasetConfig
from secateur.datasets.labels import check_classes, encode
from secateur.datasets.raw import Raw, spool

CLASSES = np.arange(30) % 3


def _encode(train, test=None, **config):
    splits = {"train": train} if test is None else {"train": train, "test": test}
    raw = {
        split: Raw({"x": np.zeros((len(y), 2), np.float32)}, {"y": np.asarray(y)})
        for split, y in splits.items()
    }
    return encode(raw, DatasetConfig(path="set", **config))


@pytest.mark.parametrize(
    ("labels", "form", "told"),
    [
        (CLASSES[:, None], "numbers", None),
        (CLASSES[:, None, None].astype(np.uint8), "numbers", None),
        (np.eye(3, dtype=np.int64)[CLASSES], "one-hot", "one-hot in 3 columns"),
        (np.eye(3, dtype=np.float32)[CLASSES], "one-hot", "say dataset.task multi_label"),
        (np.eye(3, dtype=bool)[CLASSES], "one-hot", "classes 0 to 2"),
        (CLASSES + 1, "numbers from 1", "say dataset.classes 4"),
        ((CLASSES + 1)[:, None].astype(np.uint8), "numbers from 1", "from 1 to 3"),
        (np.array(["a", "b", "c"], object)[CLASSES], "names", None),
    ],
)
def test_classes_are_found(labels, form, told):
    found = _encode(labels)
    assert (found.task, found.classes, found.form) == ("classification", 3, form)
    np.testing.assert_array_equal(found.y["train"], CLASSES)
    assert found.y["train"].dtype == np.int64
    assert len(found.notices) == (told is not None)
    assert told is None or told in found.notices[0]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (CLASSES % 2 * 2 - 1, ["-1", "1"]),
        ((CLASSES % 2).astype(bool), ["False", "True"]),
        ((CLASSES % 2).astype(bool)[:, None], ["False", "True"]),
        (CLASSES % 2 + 1, ["1", "2"]),
    ],
)
@pytest.mark.parametrize("task", ["classification", "binary"])
def test_two_classes_are_found(labels, names, task):
    found = _encode(labels, task=task)
    assert (found.classes, found.class_names) == (2 if task == "classification" else 1, names)
    np.testing.assert_array_equal(found.y["train"].reshape(-1), CLASSES % 2)


def test_whole_floats_are_classes_where_the_task_says_so_and_else_it_is_told():
    asked = _encode(CLASSES.astype(np.float32), task="classification")
    np.testing.assert_array_equal(asked.y["train"], CLASSES)
    found = _encode(CLASSES.astype(np.float32))
    assert found.task == "regression"
    assert "3 different whole numbers as floats" in found.notices[0]
    assert _encode(CLASSES + 0.5).notices == ()


def test_zeros_and_ones_in_columns_are_labels_or_tokens_and_it_is_told():
    bits = np.stack([CLASSES % 2, CLASSES // 2, CLASSES * 0], axis=1)
    floats = _encode(bits.astype(np.float32))
    assert (floats.task, floats.classes) == ("multi_label", 3)
    assert "say dataset.task regression" in floats.notices[0]
    tokens = _encode(bits)
    assert tokens.task == "token_classification"
    assert "say dataset.task multi_label" in tokens.notices[0]
    assert _encode(np.eye(3)[CLASSES], task="multi_label").notices == ()
    assert _encode(np.eye(3, dtype=int)[CLASSES], task="token_classification").classes == 2
    assert _encode(np.eye(3)[CLASSES], task="regression").task == "regression"


def test_the_form_is_that_of_all_splits():
    found = _encode(CLASSES + 1, CLASSES[:2] + 1)
    np.testing.assert_array_equal(found.y["test"], CLASSES[:2])
    mixed = _encode(CLASSES + 1, CLASSES[:3])  # there is a class 0
    with pytest.raises(ValueError, match="no example of the class 0"):
        check_classes(mixed, mixed.y["train"], DatasetConfig(path="set"))
    with pytest.raises(ValueError, match=r"label -1 .* dataset.test_split"):
        _encode(CLASSES, CLASSES[:3] * 0 - 1)


@pytest.mark.parametrize("labels", [CLASSES * 2, CLASSES + 2])
def test_gaps_are_told_with_the_parameter(labels):
    found = _encode(labels)
    with pytest.raises(ValueError, match=r"say dataset.classes 5 if the model has classes"):
        check_classes(found, found.y["train"], DatasetConfig(path="set"))


def test_a_pretrained_classifier_may_know_more_classes():
    for labels in (CLASSES, CLASSES + 1, CLASSES * 2):
        config = {"classes": 10}
        found = _encode(labels, **config)
        np.testing.assert_array_equal(found.y["train"], labels)  # nothing is shifted
        (said,) = check_classes(found, found.y["train"], DatasetConfig(path="set", **config))
        assert f"no example of {10 - 3} of 10 classes" in said
    shifted = _encode(CLASSES + 1, classes=3)
    np.testing.assert_array_equal(shifted.y["train"], CLASSES)


def test_texts_in_rows_are_refused(tmp_path):
    batch = ({"x": np.zeros((2, 1))}, {"y": np.array([[b"a", b"b"], [b"c", b"d"]], object)})
    with pytest.raises(ValueError, match=r"texts of the shape \(2,\) for each example"):
        spool([batch], tmp_path / "stem", "the stream")
