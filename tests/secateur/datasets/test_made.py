"""A factory's data sets and TFDS's give what TensorFlow reads of them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.datasets.raw import ROWS
from secateur.datasets.sources import made
from tests.secateur.datasets.pictures.written import png

COUNT = 2 * ROWS + 77


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Loads what a factory gives."""

    def run(given, **config):
        (tmp_path / "out").mkdir(exist_ok=True)
        out = tmp_path / "out" / str(len(list((tmp_path / "out").iterdir())))
        out.mkdir()
        monkeypatch.setattr(made, "_call", lambda name: given)
        return materialize(DatasetConfig(factory="a_module:build", **config), out)

    return run


def _pairs(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int32", "int64", "float16", "float32", "float64", "bool"]
)
def test_a_factorys_arrays_are_its_arrays(dtype, make):
    x = np.random.default_rng(0).integers(0, 100, (COUNT, 2, 3)).astype(dtype)
    y = np.arange(COUNT) % 5
    split = 2 * ROWS
    data = make(
        {"Training": _pairs(x[:split], y[:split]), "dev": _pairs(x[split:], y[split:])},
        test_split="dev",
        validation=0,
    )
    scale = 1 / 255 if dtype == "uint8" else 1
    for part, rows in ((data.train, slice(split)), (data.test, slice(split, None))):
        inputs, labels = part.arrays()
        np.testing.assert_allclose(inputs, x[rows].astype(np.float64) * scale, rtol=1e-6)
        np.testing.assert_array_equal(labels, y[rows])


def test_a_factorys_labels_are_understood(make):
    x = np.arange(60, dtype=np.float32)[:, None]
    labels = {
        "one-hot": tf.one_hot(np.arange(60) % 3, 3),
        "numbers": (np.arange(60) % 3)[:, None],
        "names": np.array(["a", "b", "c"])[np.arange(60) % 3][:, None],
        "numbers from 1": np.arange(60) % 3 + 1,
    }
    for form, y in labels.items():
        data = make(_pairs(x, y))
        assert (data.task, data.classes) == ("classification", 3)
        assert data.info["understood"]["targets"][""]["form"] == form
        np.testing.assert_array_equal(np.asarray(data.train.x)[:, 0] % 3, data.train.y)
    counts = data.info["understood"]["targets"][""]["counts"]
    assert sum(map(np.array, counts.values())).tolist() == [20, 20, 20]


def test_a_factory_of_complex_numbers_or_unknown_splits_is_refused(make):
    x, y = np.ones((60, 2), np.complex64), np.arange(60) % 2
    with pytest.raises(ValueError, match="hold complex64; allowed are real numbers and text"):
        make(_pairs(x, y))
    pairs = _pairs(x.real, y)
    with pytest.raises(ValueError, match="gave the splits train, extra; allowed are"):
        make({"train": pairs, "extra": pairs})
    with pytest.raises(ValueError, match="has 'val' and 'dev', which both are the validation"):
        make({"train": pairs, "val": pairs, "dev": pairs})


def _builder(own, image, split_counts, example):
    """A TFDS builder of generated examples."""

    class Builder(tfds.core.GeneratorBasedBuilder):
        name = own
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            label = tfds.features.ClassLabel(num_classes=3)
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(
                builder=self, features=features, supervised_keys=("image", "label")
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split, n) for split, n in split_counts.items()}

        def _generate_examples(self, split, count):
            for i in range(count):
                yield i, example(split, i)

    return Builder


def _prepare(builder, tmp_path):
    builder(data_dir=str(tmp_path / "tfds")).download_and_prepare()
    return {"name": builder.name, "data_dir": str(tmp_path / "tfds")}


def _out(tmp_path, name="out"):
    (tmp_path / name).mkdir()
    return tmp_path / name


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pictures_of_tfds_are_those_that_tfds_loads(dtype, tmp_path):
    random = np.random.default_rng(0)
    top = {"uint8": 255, "uint16": 4095, "float32": 1}[dtype]
    values = (random.uniform(0, 1, (ROWS + 60, 3, 4, 1)) * top).round(3 * (top == 1))
    values[::5, 0, 0] = top
    image = tfds.features.Image(shape=(3, 4, 1), dtype=np.dtype(dtype))
    builder = _builder(
        f"pictures_{dtype}",
        image,
        {"train": ROWS + 30, "test": 30},
        lambda split, i: {
            "image": values[i + (ROWS + 30) * (split == "test")].astype(dtype),
            "label": i % 3,
        },
    )
    config = _prepare(builder, tmp_path)
    data = materialize(DatasetConfig(**config, validation=0), _out(tmp_path))
    for split, part in (("train", data.train), ("test", data.test)):
        theirs = tfds.as_numpy(tfds.load(**config, split=split, batch_size=-1))
        x, y = part.arrays()
        np.testing.assert_allclose(x, theirs["image"].astype(np.float64) / top, rtol=1e-6)
        np.testing.assert_array_equal(y, theirs["label"])
    features = materialize(DatasetConfig(**config, features=("image",)), _out(tmp_path, "again"))
    assert features.shape == (3, 4, 1)


def test_pictures_of_tfds_are_decoded_as_files_are(tmp_path):
    random = np.random.default_rng(0)
    lying = random.integers(0, 256, (4, 6, 4)).astype(np.uint8)
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    (tmp_path / "one.png").write_bytes(png(lying, (b"eXIf", exif)))
    builder = _builder(
        "upright",
        tfds.features.Image(),
        {"train": 30, "test": 6},
        lambda split, i: {"image": str(tmp_path / "one.png"), "label": i % 3},
    )
    config = _prepare(builder, tmp_path)
    data = materialize(DatasetConfig(**config), _out(tmp_path))
    alpha = lying[..., 3:].astype(float)
    white = (lying[..., :3] * alpha + 255 * (255 - alpha)) / 255
    np.testing.assert_allclose(data.test.x[0], np.rot90(white, -1), atol=1)
    about = data.info["understood"]["inputs"][""]["pictures"]
    assert (about["count"], about["turned_upright"], about["on_white"]) == (36, 36, 36)
    assert (
        "6 of 6 examples of the test split are in the train split as well."
        in (data.info["notices"])
    )


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """A TFDS data set whose test labels are not told."""
    values = np.random.default_rng(0).integers(0, 256, (60, 3, 4, 1)).astype(np.uint8)

    def example(split, i):
        label = -1 if split == "test" else i % 3
        return {"image": values[i + {"train": 0, "dev": 30, "test": 45}[split]], "label": label}

    counts = {"train": 30, "dev": 15, "test": 15}
    image = tfds.features.Image(shape=(3, 4, 1))
    builder = _builder("hidden_labels", image, counts, example)
    return _prepare(builder, tmp_path_factory.mktemp("hidden"))


@pytest.mark.parametrize("features", [(), ("image",)])
def test_hidden_labels_are_told_and_another_split_measures(features, hidden, tmp_path):
    with pytest.raises(ValueError, match=r"-1.*dataset.test_split"):
        materialize(DatasetConfig(**hidden, features=features), _out(tmp_path))
    chosen = DatasetConfig(**hidden, features=features, test_split="validation")
    data = materialize(chosen, _out(tmp_path, "dev"))
    theirs = tfds.as_numpy(tfds.load(**hidden, split="dev", batch_size=-1))
    np.testing.assert_array_equal(data.test.x, theirs["image"])
    np.testing.assert_array_equal(data.test.y, theirs["label"])
    assert (len(data.train), len(data.validation)) == (27, 3)
    share = DatasetConfig(**hidden, features=features, test_split="train")
    data = materialize(share, _out(tmp_path, "train"))
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 15, 6)
    unknown = DatasetConfig(**hidden, features=features, test_split="secret")
    with pytest.raises(ValueError, match="test_split is 'secret', which 'hidden_labels' does not"):
        materialize(unknown, _out(tmp_path, "unknown"))
