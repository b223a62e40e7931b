"""Random changes of training images, a function of the seed, the epoch and the batch alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training.augment_config import Augmentation

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def augmenter(names: Sequence[Augmentation], split: Split, setting: str) -> Augment | None:
    """A function of images `(batch, height, width, channels)` and a key: the images changed.

    The layers are Keras's own (`RandomFlip` …), each with its usual strength: shifts, rotation
    and zoom by up to a tenth, brightness and contrast by up to a fifth.

    Args:
        names: What is done, in this order; none gives None.
        split: The examples that it is for.
        setting: What the user calls `names`, for the message.

    Raises:
        ValueError: One sentence: the examples are no images.
    """
    if not names:
        return None
    shapes = [array.shape[1:] for _, array, scale in split.parts() if scale is not None]
    if len(shapes) != 1 or isinstance(split.x, dict) or len(shapes[0]) != 3:
        raise ValueError(
            f"{setting} names {', '.join(names)}, which change images of height, width and "
            "channels, but the data set gives other inputs; leave it out."
        )
    layers = [_LAYERS[name]() for name in names]

    def augment(images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        shape = images.shape
        for number, layer in enumerate(layers):
            seeds = _Seeds(tf.random.fold_in(key, number))
            change = layer.get_random_transformation(images, training=True, seed=seeds)
            images = tf.ensure_shape(layer.transform_images(images, change, training=True), shape)
        return images

    return augment


_LAYERS: dict[str, Callable[[], keras.Layer]] = {
    "flip": lambda: keras.layers.RandomFlip("horizontal"),
    "translation": lambda: keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
    "rotation": lambda: keras.layers.RandomRotation(0.1, fill_mode="nearest"),
    "zoom": lambda: keras.layers.RandomZoom(0.1, fill_mode="nearest"),
    "brightness": lambda: keras.layers.RandomBrightness(0.2, value_range=(0, 1)),
    "contrast": lambda: keras.layers.RandomContrast(0.2, value_range=(0, 1)),
    "erasing": lambda: keras.layers.RandomErasing(value_range=(0, 1)),
}


class _Seeds(keras.random.SeedGenerator):
    """Gives seeds that follow from a key; Keras's own generators hold a state that a training
    which was killed would lose."""

    def __init__(self, key: tf.Tensor):
        self._key, self._count = key, 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._count += 1
        seed = tf.random.fold_in(self._key, self._count)
        return tf.bitwise.bitwise_and(tf.cast(seed, tf.int32), 0x7FFFFFFF)
