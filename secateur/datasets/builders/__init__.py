"""The TFDS builders of this project; importing this registers them with TFDS."""

from secateur.datasets.builders.digits import Digits
from secateur.datasets.builders.languages import Languages
from secateur.datasets.builders.mnist_5k import Mnist5k
from secateur.datasets.builders.scikit_learn import BreastCancer, Diabetes, Wine

REGISTRY = True  # the cache key of load_data counts this whole folder

BUILDERS = (Mnist5k, Digits, BreastCancer, Wine, Diabetes, Languages)
