"""A model file of any kind, from any tool: what it is worth and what it costs."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.card.schema import Card
from secateur.datasets.dataset import Dataset
from secateur.evaluation.by_task import metrics_for
from secateur.evaluation.measuring import BATCHES, measure_files
from secateur.evaluation.runtimes import Runner, open_model
from secateur.evaluation.runtimes.runner import take
from secateur.evaluation.schema import FileSize, Latency
from secateur.evaluation.size import file_size

RUNTIMES = {".keras": "keras", ".tflite": "litert", ".onnx": "onnxruntime"}
"""Which runtime runs a file, by its ending."""
_ROWS = 4096  # examples in memory at a time


class FileEvaluation(BaseModel):
    """What was measured of one file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runtime: str = Field(description="What ran it: keras, litert, onnxruntime.")
    metrics: dict[str, float] = Field(description="Metrics on the test split.")
    bytes: FileSize = Field(description="Bytes of the file.")
    latency_ms: dict[str, Latency] = Field(description="Milliseconds of a call.")
    memory: dict[str, int] = Field(description="Bytes that the runtime needs for the file.")
    data_card: Card | None = Field(
        default=None, description="What was understood of the data; see `secateur data`."
    )


def evaluate_any(path: Path, dataset: Dataset) -> FileEvaluation:
    """Runs a model file in its own runtime on a whole test split, and times it.

    Args:
        path: A `.keras`, `.tflite` or `.onnx` file that takes the data set's inputs.
        dataset: A data set with labels or targets.

    Raises:
        ValueError: One sentence: the runtime cannot load the file, or it does not fit the data.
    """
    runner = open_model(path)
    metrics = _metrics(runner, path, dataset)
    x, _ = dataset.train.arrays(np.arange(min(max(BATCHES), len(dataset.train))))
    runtime = RUNTIMES[path.suffix]
    measured = measure_files({"it": {runtime: path}}, x)["it"]
    return FileEvaluation(
        runtime=runtime,
        metrics=metrics,
        bytes=file_size(path),
        latency_ms=measured.latency_ms,
        memory=measured.memory,
    )


def _metrics(runner: Runner, path: Path, dataset: Dataset) -> dict[str, float]:
    test = dataset.test
    _check_fits(runner, path, dataset)
    metrics: list[keras.metrics.Metric] = []
    for start in range(0, len(test), _ROWS):
        x, y = test.arrays(np.arange(start, min(start + _ROWS, len(test))))
        outputs = runner.predict(x)
        metrics = metrics or metrics_for(dataset.task, outputs)
        for metric in metrics:
            metric.update_state(y, outputs)
    return {metric.name: float(metric.result()) for metric in metrics}


def _check_fits(runner: Runner, path: Path, dataset: Dataset) -> None:
    x, _ = dataset.test.arrays(np.arange(1))
    try:
        gives = runner.predict(take(x, slice(1))).shape
    except Exception as error:  # every runtime has errors of its own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(
            f"The model {str(path)!r} does not take the inputs of the data set "
            f"{dataset.name!r}, of shape {dataset.shape} ({first}); choose a data set that fits."
        ) from error
    if gives[-1] != dataset.classes:
        raise ValueError(
            f"The model {str(path)!r} gives {gives[-1]} values for an example, but the data set "
            f"{dataset.name!r} needs {dataset.classes}; choose a data set that fits."
        )
