"""A model file -> what it is worth and what it costs."""

from __future__ import annotations

from pathlib import Path

import keras

from secateur.datasets.dataset import Split
from secateur.evaluation.accuracy import measure_accuracy
from secateur.evaluation.counts import count_layers
from secateur.evaluation.flops import total_flops
from secateur.evaluation.schema import Cost, Evaluation
from secateur.evaluation.size import file_size
from secateur.models.files import load_model


def evaluate_file(path: Path, test: Split) -> Evaluation:
    """Evaluates a `.keras` file on a test split."""
    model = load_model(path)
    loss, metrics = measure_accuracy(model, test)
    layers = count_layers(model)
    flops, notices = _flops(model)
    cost = Cost(
        loss=loss,
        metrics=metrics,
        parameters=model.count_params(),
        prunable=sum(layer.parameters for layer in layers),
        nonzero=sum(layer.nonzero for layer in layers),
        flops=flops,
        bytes={"keras": file_size(path)},
        latency_ms=None,
    )
    return Evaluation(cost=cost, layers=layers, notices=notices)


def _flops(model: keras.Model) -> tuple[int | None, list[str]]:
    try:
        return total_flops(model), []
    except ValueError as error:
        return None, [f"FLOPs were not counted: {error}"]
