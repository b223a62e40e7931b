"""The TFDS builders of this project; importing this registers them with TFDS."""

from secateur.datasets.builders.digits import Digits
from secateur.datasets.builders.mnist_5k import Mnist5k

REGISTRY = True  # the cache key of load_data counts this whole folder

BUILDERS = (Digits, Mnist5k)
