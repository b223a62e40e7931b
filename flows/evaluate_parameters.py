"""The parameters of the flow `evaluate`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import check_dataset
from secateur.evaluation.runtimes.packages import check_installed
from secateur.models.config import ModelConfig
from secateur.models.sources import check_model
from secateur.schema import tell_bounds

_FORMATS = {".keras": "keras", ".tflite": "litert", ".onnx": "onnx"}


class EvaluateParameters(BaseModel):
    """Measure a model file in its own runtime: accuracy, bytes, latency, memory."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    model: Path = Field(description="A .keras, .tflite or .onnx file, of any tool.")
    dataset: DatasetConfig = Field(default=DatasetConfig(), description="The data.")

    @property
    def path(self) -> Path:
        """The file, from the root."""
        return self.model.expanduser().absolute()

    def check(self) -> None:
        """Refuses what can be known to fail without TensorFlow, the data or the runtime.

        Raises:
            ValueError: One sentence.
        """
        format = _FORMATS.get(self.model.suffix)
        if format is None:
            raise ValueError(
                f"model is {str(self.model)!r}; allowed are files that end in "
                f"{', '.join(_FORMATS)}."
            )
        if format == "keras":
            check_model(ModelConfig(path=str(self.model)))
        elif not self.path.is_file():
            raise ValueError(f"model is {str(self.model)!r}, which is no file; give a model file.")
        check_installed(format)
        if self.dataset.outputs:
            raise ValueError(
                "dataset.outputs is given, but a file is measured for a single output; give "
                "dataset.target and dataset.task instead."
            )
        check_dataset(self.dataset)
