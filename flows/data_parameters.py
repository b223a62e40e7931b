"""The parameters of the command `data`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.config import DatasetConfig
from secateur.schema import tell_bounds


class DataParameters(BaseModel):
    """Show what is understood of a data set, before anything is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    dataset: DatasetConfig = Field(default=DatasetConfig(), description="The data.")
