"""Data with several outputs, each with a task of its own."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import SPLITS
from secateur.datasets.load import materialize
from secateur.training.batches import ordered

ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
KIND = np.arange(ROWS) % 3
PRICE = (X[:, :1] * 2 + KIND[:, None]).astype(np.float32)
BOTH = {"kind": "classification", "price": "regression"}

FACTORY = """
import numpy as np
import tensorflow as tf

def data():
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    kind = np.arange(60) % 3
    return tf.data.Dataset.from_tensor_slices((x, {"kind": kind, "price": x[:, :1], "more": kind}))
"""


@pytest.fixture
def load(tmp_path):
    def run(name="out", **config):
        folder = tmp_path / name
        folder.mkdir()
        return materialize(DatasetConfig(**{"outputs": BOTH, **config}), folder)

    return run


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=X, kind=KIND, price=PRICE)
    return str(path)


def test_each_output_keeps_its_rows(arrays, load):
    data = load(path=arrays)
    assert (data.task, data.goal) == ("several", BOTH)
    assert data.classes == {"kind": 3, "price": 1}
    assert data.traits.outputs == BOTH
    assert (data.shape, len(data.train), len(data.test)) == ((4,), 42, 12)
    for split in (data.train, data.validation, data.test):
        x, y = split.arrays()
        assert {name: array.dtype for name, array in y.items()} == {"kind": "i8", "price": "f4"}
        np.testing.assert_allclose(y["price"], x[:, :1] * 2 + y["kind"][:, None], rtol=1e-6)
    assert (np.bincount(data.test.y["kind"]) == 4).all()  # drawn by the first one with classes


def test_batches_have_the_targets_of_their_inputs(arrays, load):
    for x, y in ordered(load(path=arrays).train, 16):
        np.testing.assert_allclose(y["price"], x[:, :1] * 2 + y["kind"].numpy()[:, None], rtol=1e-6)


def test_another_value_of_any_output_is_other_data(arrays, load):
    first = load("first", path=arrays).fingerprint()
    assert load("again", path=arrays).fingerprint() == first
    np.savez(arrays, x=X, kind=KIND, price=PRICE + 1)
    assert load("other", path=arrays).fingerprint() != first


def test_columns_and_names_of_classes(tmp_path, load):
    names = np.array(["red", "green", "blue"])
    rows = [f"{a},{b},{names[k]},{p}" for (a, b, *_), k, (p,) in zip(X, KIND, PRICE, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,kind,price", *rows]) + "\n")
    data = load(path=str(tmp_path / "data.csv"))
    assert data.shape == (2,)
    assert data.info["outputs"][0]["class_names"] == ["blue", "green", "red"]
    np.testing.assert_allclose(
        np.sort(np.concatenate([data.split(name).y["price"] for name in SPLITS]), 0),
        np.sort(PRICE, 0),
        rtol=1e-5,
    )


def test_a_factory_gives_a_dict_of_targets(tmp_path, load, monkeypatch):
    (tmp_path / "made_outputs.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "made_outputs")
    data = load(factory="made_outputs:data")
    assert data.classes == {"kind": 3, "price": 1}
    x, y = data.train.arrays()
    np.testing.assert_array_equal(y["price"], x[:, :1])
    with pytest.raises(ValueError, match=r"names 'colour', which is none of the targets .* more"):
        load("wrong", factory="made_outputs:data", outputs={**BOTH, "colour": "classification"})


def test_what_one_output_is_not_fit_for_is_refused(arrays, load):
    with pytest.raises(ValueError, match=r"dataset.outputs names 'colour'.* does not have"):
        load("a", path=arrays, outputs={**BOTH, "colour": "classification"})
    with pytest.raises(ValueError, match="'price' of the split train holds float32"):
        load("b", path=arrays, outputs={"kind": "classification", "price": "classification"})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"target": ("kind",)}, "dataset.target has no place"),
        ({"task": "regression"}, "dataset.task has no place"),
        ({"outputs": {"kind": "classification"}}, "names one output"),
        ({"features": ("price",)}, "both in dataset.features and in dataset.outputs"),
        ({"outputs": {"kind": "classification", "text": "language_model"}}, "is no column"),
        ({"outputs": {"kind": "classification", "price": "guess"}}, "outputs.price"),
    ],
)
def test_contradictions_are_refused(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        DatasetConfig(**{"path": "data.npz", "outputs": BOTH, **given})
