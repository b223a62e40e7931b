"""The flow `evaluate`: any model file on any data set, in its own runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from secateur.datasets.config import DatasetConfig
from secateur.flows.evaluate_parameters import EvaluateParameters
from secateur.tasks.data_card import show_data, slim_card
from secateur.tasks.evaluate_file import evaluate_file
from secateur.tasks.load_data import load_data
from secateur.tasks.pinned import pinned
from secateur.tasks.stage import StageResult, read

if TYPE_CHECKING:
    from secateur.evaluation.any_file import FileEvaluation


@flow(name="evaluate", flow_run_name="evaluate-{model}")
def evaluate(
    model: Path,
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
) -> FileEvaluation:
    """Measures a model file, also one that this project did not make.

    Args:
        model: A .keras, .tflite or .onnx file.
        dataset: The data whose test split measures it.

    Returns:
        Metrics, bytes, latency and memory, and the card of the data.

    Raises:
        ValueError: One sentence about a parameter, before any work, or about a file that its
            runtime cannot load or that does not fit the data.
    """
    parameters = EvaluateParameters(model=model, dataset=dataset)
    parameters.check()
    with pinned():
        data = load_data(dataset=dataset)
        show_data(data)
        result = found(evaluate_file(data=data, path=str(parameters.path)))
    return result.model_copy(update={"data_card": slim_card(data)})


def found(result: StageResult) -> FileEvaluation:
    """What the stage found."""
    from secateur.evaluation.any_file import FileEvaluation

    text = (read(result).directory / "file.json").read_text()
    return FileEvaluation.model_validate_json(text)
