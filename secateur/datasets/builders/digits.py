"""`digits`: the 1,797 small digits that scikit-learn ships, as a TFDS builder."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from secateur.datasets.builders.stratified import every_fifth


class Digits(tfds.core.GeneratorBasedBuilder):
    """Handwritten digits of 8x8 pixels by 43 people; stratified and fixed.

    Every fifth digit of a class, in the order of the package's file, is in the test split.
    """

    name = "digits"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Four fifths of each class train."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits, each the 8x8 counts of set pixels of a larger image.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(8, 8, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            citation="@misc{alpaydin1998optical, title={Optical Recognition of Handwritten "
            "Digits}, author={Alpaydin, E. and Kaynak, C.}, year={1998}}",
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
    """Images of shape `(1797, 8, 8, 1)`, their counts of 0 to 16 spread over 0 to 255, and labels.

    Reads scikit-learn's file itself: importing scikit-learn takes seconds.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "The package scikit-learn, which ships digits, is missing: pip install it."
        )
    path = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    images = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8)
    return images.reshape(-1, 8, 8, 1), table[:, -1].astype(np.int64)
