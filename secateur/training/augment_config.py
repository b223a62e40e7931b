"""Which random changes training images go through. Imports no TensorFlow."""

from typing import Literal, get_args

Augmentation = Literal[
    "flip", "translation", "rotation", "zoom", "brightness", "contrast", "erasing"
]
AUGMENTATIONS: tuple[str, ...] = get_args(Augmentation)
