"""SavedModels in TensorFlow, without Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from secateur.evaluation.runtimes.runner import (
    Inputs,
    by_name,
    check_batch,
    in_batches,
    only_output,
)


class SavedModel:
    """The folder of a SavedModel, by the signature that servers call.

    Raises:
        ValueError: One sentence: TensorFlow cannot load it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._model = tf.saved_model.load(str(path))
            self._run = self._model.signatures["serving_default"]
        except Exception as error:  # TensorFlow raises whatever its readers do
            first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ValueError(f"TensorFlow cannot load {str(path)!r}: {first}.") from error
        self._inputs: dict[str, tf.TensorSpec] = self._run.structured_input_signature[1]
        self._output = only_output(list(self._run.structured_outputs), path)
        self.batch = next(iter(self._inputs.values())).shape[0]

    def predict(self, x: Inputs) -> np.ndarray:
        return in_batches(lambda batch: self.ready(batch)().numpy(), x, self.batch)

    def ready(self, x: Inputs) -> Callable[[], Any]:
        check_batch(self.batch, x)
        arrays = by_name(x, self._inputs)
        feed = {
            name: tf.constant(array, spec.dtype)
            for (name, spec), array in zip(self._inputs.items(), arrays, strict=True)
        }
        return lambda: self._run(**feed)[self._output]
