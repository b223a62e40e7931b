"""A model file -> what it is worth and what it costs."""

from __future__ import annotations

import math
from pathlib import Path

from secateur.datasets.dataset import Split
from secateur.evaluation.accuracy import measure_accuracy
from secateur.evaluation.counts import count_layers
from secateur.evaluation.flops import counted_flops
from secateur.evaluation.schema import Cost, Evaluation, Score
from secateur.evaluation.size import file_size
from secateur.models.files import load_model
from secateur.training.joint import Goal
from secateur.training.objective import Objective


def evaluate_file(
    path: Path, test: Split, validation: Split, objective: Goal | None = None
) -> Evaluation:
    """Evaluates a `.keras` file: on the test split for the evidence, on validation for choices.

    Args:
        path: The file.
        test: The test split; not empty.
        validation: The validation split, which can be empty.
        objective: What the model is for; by default classification.

    Raises:
        ValueError: The loss is NaN or infinite, which no report can hold.
    """
    objective = objective or Objective()
    model = load_model(path)
    loss, metrics = measure_accuracy(model, test, objective)
    if not math.isfinite(loss):
        raise ValueError(
            f"The model's loss on the test split is {loss}; look for values that are not finite in "
            "its weights or in the data."
        )
    layers = count_layers(model)
    flops, notices = counted_flops(model)
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
    held_out = None
    if len(validation):
        held_out_loss, held_out_metrics = measure_accuracy(model, validation, objective)
        held_out = Score(loss=held_out_loss, metrics=held_out_metrics)
    return Evaluation(
        task=objective.task,
        higher=objective.higher,
        cost=cost,
        validation=held_out,
        layers=layers,
        notices=notices,
    )
