"""What is known of an exported file, as a typed object. Imports no TensorFlow."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from secateur.evaluation.schema import FileSize


class Export(BaseModel):
    """A file (or the folder of a SavedModel) that was loaded again in its runtime and checked."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )

    name: str = Field(description="The format, and how it is quantized: litert, litert-int8.")
    file: str = Field(description="Its name in the output folder.")
    sparse: bool = Field(description="Whether kernels are in LiteRT's sparse encoding.")
    bytes: FileSize = Field(description="Its size.")
    max_difference: float = Field(
        description="Largest absolute difference of an output from Keras's, on real examples."
    )
    metrics: dict[str, float] = Field(description="Metrics on the test split, in its runtime.")
