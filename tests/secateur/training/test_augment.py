"""Augmentations: the same for the same seed, epoch and batch, and of images alone."""

import numpy as np
import pytest
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training.augment import augmenter
from secateur.training.augment_config import AUGMENTATIONS
from secateur.training.batches import shuffled


@pytest.fixture(scope="module")
def split():
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (20, 12, 12, 3)).astype(np.uint8)
    return Split(x, np.arange(20), 1 / 255)


def _epoch(split, augment, number):
    batches = shuffled(split, 8, 7, tf.Variable(number), augment)
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_changes_follow_from_seed_and_epoch(name, split):
    augment = augmenter([name], split, "train.augment")
    x, y = _epoch(split, augment, 3)
    again, _ = _epoch(split, augment, 3)
    np.testing.assert_array_equal(x, again)
    plain, same = _epoch(split, None, 3)
    np.testing.assert_array_equal(y, same)
    assert x.shape == plain.shape
    assert np.abs(x - plain).max() > 0.01
    assert x.min() >= 0
    assert x.max() <= 1
    # The last batch holds other examples than the first, and they are changed in another way.
    order = np.argsort(y)
    other, labels = _epoch(split, augment, 4)
    assert np.abs(x[order] - other[np.argsort(labels)]).max() > 0.01


def test_a_flip_is_a_flip_of_about_half_of_the_images(split):
    x, y = _epoch(split, augmenter(["flip"], split, "train.augment"), 0)
    before = split.arrays(y)[0]
    kept = np.array([np.allclose(a, b) for a, b in zip(x, before, strict=True)])
    flipped = np.array([np.allclose(a[:, ::-1], b) for a, b in zip(x, before, strict=True)])
    assert (kept ^ flipped).all()
    assert 3 <= flipped.sum() <= 17


def test_no_names_no_change(split):
    assert augmenter([], split, "train.augment") is None


def test_what_is_no_image_is_refused():
    rows = Split(np.zeros((4, 3), np.float32), np.zeros(4, np.int64), 1.0)
    with pytest.raises(ValueError, match=r"fine_tune.augment names flip.*leave it out"):
        augmenter(["flip"], rows, "fine_tune.augment")


def test_a_training_that_was_killed_sees_the_same_changes(split, tmp_path):
    import keras

    from secateur.models.weights import content_digest
    from secateur.training.fit import fit
    from secateur.training.fit_config import FitConfig

    def train(epochs, folder):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Flatten(name="flat"), keras.layers.Dense(20, name="logits")]
        model = keras.Sequential([keras.Input((12, 12, 3), name="in"), *layers], name="net")
        config = FitConfig(epochs=epochs, batch_size=8, augment=("flip", "translation"))
        fit(model, split, split, config, seed=3, checkpoints=folder)
        return content_digest(model)

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = train(3, tmp_path / "whole")
    train(1, tmp_path / "killed")
    assert train(3, tmp_path / "killed") == whole
