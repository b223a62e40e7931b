"""What is known of a model after its evaluation, as typed objects. Imports no TensorFlow."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import may_lack


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


class FileSize(_Part):
    """Bytes of one file."""

    model_config = ConfigDict(json_schema_extra=may_lack("zstd"))

    raw: int = Field(description="Bytes on disk.")
    gzip: int = Field(description="Bytes after gzip, level 6: what a download takes.")
    zstd: int | None = Field(None, description="Bytes after zstd, level 3.")


class LayerCount(_Part):
    """The prunable weights of one layer."""

    name: str = Field(description="Name of the layer, unique in its model.")
    kind: str = Field(description="Class of the layer.")
    parameters: int = Field(description="Prunable weights of the layer.")
    nonzero: int = Field(description="Those that are not zero.")
    sparsity: float = Field(description="Share of zeros among the prunable weights.")


class Latency(_Part):
    """Milliseconds of one call."""

    median: float
    p10: float
    p90: float


class Cost(_Part):
    """What one model is worth and what it costs."""

    model_config = ConfigDict(json_schema_extra=may_lack("memory"))

    loss: float = Field(description="Mean loss of a test example.")
    metrics: dict[str, float] = Field(description="Metrics on the test split; accuracy as a share.")
    parameters: int = Field(description="All weights, biases and statistics of the model.")
    prunable: int = Field(description="Kernels, embeddings and the like: what pruning may touch.")
    nonzero: int = Field(description="Prunable weights that are not zero.")
    flops: int | None = Field(description="FLOPs of one example; a multiply-add is 2.")
    bytes: dict[str, FileSize] = Field(description="Bytes of the model's file in each format.")
    latency_ms: dict[str, Latency] | None = Field(
        None,
        description="Milliseconds of a call by runtime and threads, as litert-1, and batch where "
        "it is not 1, as litert-2-batch32; null where not measured.",
    )
    memory: dict[str, int] | None = Field(
        None,
        description="Bytes that loading the file and running it once add to the runtime's own "
        "memory, by runtime; null where not measured.",
    )


class Score(_Part):
    """What a model is worth on one split."""

    loss: float = Field(description="Mean loss of an example.")
    metrics: dict[str, float] = Field(description="Metrics; accuracy as a share.")


class Evaluation(_Part):
    """All that the stage `evaluate` finds out about one model."""

    task: str = Field("classification", description="What the model does.")
    higher: bool = Field(True, description="Whether a higher first metric is a better one.")
    cost: Cost
    validation: Score | None = Field(
        description="On the validation split, for choices between models; null if it is empty."
    )
    layers: list[LayerCount] = Field(description="The layers that have prunable weights.")
    notices: list[str] = Field(description="What could not be counted, and why.")
