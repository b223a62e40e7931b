"""The parameters of the flow `compress`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.config import DatasetConfig
from secateur.export.config import ExportConfig
from secateur.export.quantization import Quantization
from secateur.flows.deadline import ABOUT, Deadline
from secateur.flows.parameters import PruneParameters, Seed
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import Destination, OutputFolder, names_of
from secateur.output.inputs import inputs_of
from secateur.schema import tell_bounds
from secateur.sparsity.config import TargetConfig
from secateur.training.config import TrainConfig
from secateur.training.distill_config import DistillConfig
from secateur.training.fine_tune_config import FineTuneConfig


class StepsConfig(BaseModel):
    """How far each step goes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Steps"
    )

    kernel: int | None = Field(
        default=3,
        ge=1,
        le=31,
        description="Rows and columns that the kernels of convolutions keep at most; what is "
        "outside their middle goes. Empty: kernels stay as they are.",
    )
    channels: float = Field(
        default=0.8, gt=0, lt=1, description="Share of the FLOPs that go with whole channels."
    )
    weights: float = Field(
        default=0.88, gt=0, lt=1, description="Share of the weights that are left that become zero."
    )
    clusters: int | None = Field(
        default=16,
        ge=1,
        le=65_536,
        description="Distinct values that each kernel keeps beside zero; see export.clusters.",
    )
    quantize: Quantization = Field(
        default="dynamic_int8",
        description="How the weights that are left are stored; see export.quantize.",
    )
    accuracy_drop: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How much accuracy on the validation split the last step may lose, as a share.",
    )


class TeacherConfig(DistillConfig):
    """How much the model before a cut of channels or weights teaches the one after it."""

    weight: float = Field(
        default=0.5, ge=0, le=1, description=DistillConfig.model_fields["weight"].description
    )
    temperature: float = Field(
        default=2.0,
        gt=0,
        le=1000,
        description=DistillConfig.model_fields["temperature"].description,
    )


class CompressTuningConfig(FineTuneConfig):
    """How the model is trained after each step: longer than after one cut, and taught."""

    epochs: int = Field(
        default=20, ge=0, le=100_000, description=FineTuneConfig.model_fields["epochs"].description
    )
    distill: TeacherConfig = Field(
        default=TeacherConfig(), description=FineTuneConfig.model_fields["distill"].description
    )


class CompressParameters(BaseModel):
    """Make a model small and fast: cut kernels, remove channels, then weights, quantize. The
    model before a cut of channels or weights teaches the one after it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    dataset: DatasetConfig = Field(default=DatasetConfig(), description="The data.")
    model: ModelConfig = Field(default=ModelConfig(), description="The model to compress.")
    train: TrainConfig = Field(default=TrainConfig(), description="Training of the dense model.")
    importance: ImportanceConfig = Field(
        default=ImportanceConfig(), description="What a weight is worth."
    )
    steps: StepsConfig = Field(default=StepsConfig(), description="How far each step goes.")
    fine_tune: CompressTuningConfig = Field(
        default=CompressTuningConfig(), description="Training after each step but the last."
    )
    seed: Seed = Field(default=0, description="One integer for everything.")
    output: OutputFolder = Field(
        default=Path("out"), description="The folder of the run's results."
    )
    deadline: Deadline | None = Field(default=None, description=ABOUT)

    def channels(self) -> PruneParameters:
        """The step of channels as a run of `prune`, resolved.

        All layers lose the same share: a global choice by FLOPs would leave the dense layers, which
        hold most of the bytes.
        """
        target = TargetConfig(
            pattern="channel",
            measure="flops",
            allocation="uniform",
            ratio=self.steps.channels,
        )
        return self._step(target)

    def weights(self) -> PruneParameters:
        """The step of weights, likewise; its export is the last step."""
        return self._step(TargetConfig(ratio=self.steps.weights))

    def _step(self, target: TargetConfig) -> PruneParameters:
        shared = {name: getattr(self, name) for name in type(self).model_fields if name != "steps"}
        export = ExportConfig(
            formats=("litert",),
            clusters=self.steps.clusters,
            quantize=self.steps.quantize,
            accuracy_drop=self.steps.accuracy_drop,
        )
        return PruneParameters(**shared, target=target, export=export).resolved()

    def check(self) -> None:
        """Refuses what can be known to fail without TensorFlow, the data or the model.

        Raises:
            ValueError: One sentence.
        """
        self.channels().check_work()
        self.weights().check_work()
        self.destination().check()

    def destination(self) -> Destination:
        """Where the results go."""
        names = names_of("compress", ("litert",), self.steps.quantize)
        return Destination(self.output, names, tuple(inputs_of(self.model, self.dataset)))
