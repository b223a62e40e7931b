"""Small tables that scikit-learn ships: `breast_cancer`, `wine`, `diabetes`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from secateur.datasets.builders.stratified import every_fifth


class _ScikitLearn(tfds.core.GeneratorBasedBuilder):
    """Every fifth example of a class (of a regression: of the order by size) is a test example."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Four fifths for training, one for testing."}  # noqa: RUF012
    pkg_dir_path = None  # nothing of TFDS's lies beside this file

    def _load(self) -> Any:
        """All examples, as scikit-learn hands them out."""
        raise NotImplementedError

    @property
    def columns(self) -> list[str]:
        """What the numbers of an example are called."""
        return [str(name) for name in self._load().feature_names]

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of all examples."""
        loaded = self._load()
        x, y = loaded.data, loaded.target
        return x.astype(np.float32), y if y.dtype.kind == "i" else y.astype(np.float32)

    def _split_generators(self, dl_manager):
        x, y = self._read()
        if np.issubdtype(y.dtype, np.integer):
            test = every_fifth(y)
        else:
            test = np.empty(len(y), bool)
            test[np.argsort(y.reshape(-1), kind="stable")] = np.arange(len(y)) % 5 == 2
        return {
            "train": self._generate_examples(x[~test], y[~test]),
            "test": self._generate_examples(x[test], y[test]),
        }

    def _generate_examples(self, x, y):
        inputs, target = self.info.supervised_keys
        for index, (example, value) in enumerate(zip(x, y, strict=True)):
            label = int(value) if np.issubdtype(y.dtype, np.integer) else value
            yield index, {inputs: example, target: label}

    def _about(self, description: str, inputs: Any, target: Any, names: tuple[str, str]) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description=description,
            features=tfds.features.FeaturesDict({names[0]: inputs, names[1]: target}),
            supervised_keys=names,
            homepage="https://scikit-learn.org/stable/datasets/toy_dataset.html",
        )


def _numbers(width: int) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(width,), dtype=np.float32)


class BreastCancer(_ScikitLearn):
    """569 tumours, 30 numbers each: is it malignant (0) or benign (1)?"""

    name = "breast_cancer"

    def _info(self):
        return self._about(
            "Breast cancer Wisconsin (diagnostic): cell nuclei measured in images.",
            _numbers(30),
            tfds.features.ClassLabel(names=["malignant", "benign"]),
            ("features", "label"),
        )

    def _load(self):
        from sklearn.datasets import load_breast_cancer

        return load_breast_cancer()


class Wine(_ScikitLearn):
    """178 wines, 13 numbers each: from which of three growers?"""

    name = "wine"

    def _info(self):
        return self._about(
            "Chemical analysis of wines of three growers.",
            _numbers(13),
            tfds.features.ClassLabel(num_classes=3),
            ("features", "label"),
        )

    def _load(self):
        from sklearn.datasets import load_wine

        return load_wine()


class Diabetes(_ScikitLearn):
    """442 patients, 10 numbers each: how far has the disease come after a year (25 to 346)?"""

    name = "diabetes"

    def _info(self):
        return self._about(
            "Age, sex, body and blood of diabetes patients, and the disease a year later.",
            _numbers(10),
            tfds.features.Tensor(shape=(), dtype=np.float32),
            ("features", "progression"),
        )

    def _load(self):
        from sklearn.datasets import load_diabetes

        return load_diabetes(scaled=False)
