"""Parameters of the export."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from secateur.export.quantization import Quantization
from secateur.schema import tell_bounds

Format = Literal["keras", "litert", "onnx", "saved_model"]


class ExportConfig(BaseModel):
    """In which formats the final model is written; each file is checked in its own runtime."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Export"
    )

    formats: tuple[Format, ...] = Field(
        default=("keras",),
        min_length=1,
        description="keras, litert (needs the extra `litert`), onnx (extra `onnx`), saved_model. "
        "Of litert and onnx the latency is measured too, beside the dense model. model.keras is "
        "always written.",
    )
    quantize: Quantization | None = Field(
        default=None,
        description="A second LiteRT file of smaller numbers: dynamic_int8 (kernels of 8 bits), "
        "int8 (activations too), float16 (kernels of 16 bits), int16x8 (activations of 16 bits, "
        "kernels of 8). Zeros stay zero.",
    )
    clusters: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Distinct values that each kernel keeps beside zero in all exported files "
        "(weight clustering), so that they compress better. Empty: no clustering.",
    )
    calibration: int = Field(
        default=500,
        ge=1,
        le=1_000_000,
        description="Training examples that give the ranges of activations for int8 and int16x8.",
    )
    accuracy_drop: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How much accuracy on the validation split quantization and clustering may "
        "lose, as a share; a file that loses more, also after aware_epochs, fails the stage.",
    )

    aware_epochs: int = Field(
        default=5,
        ge=0,
        le=100_000,
        description="Passes over the training data with quantized kernels (quantization-aware "
        "fine-tuning), if quantization loses more than accuracy_drop without; 0 for none.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> "ExportConfig":
        twice = sorted({name for name in self.formats if self.formats.count(name) > 1})
        if twice:
            raise ValueError(f"formats names {' and '.join(twice)} more than once; name each once")
        if self.quantize and "litert" not in self.formats:
            raise ValueError(
                f"quantize is {self.quantize}, which makes a LiteRT file, but formats is "
                f"{', '.join(self.formats)}; add litert to formats"
            )
        return self

    @property
    def asked(self) -> bool:
        """Whether anything is exported beside the `.keras` file of the final model."""
        return self.formats != ("keras",) or self.clusters is not None
