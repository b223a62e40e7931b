"""Parameters of the data set."""

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class DatasetConfig(BaseModel):
    """The data that trains, calibrates and measures the model."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Data set"
    )

    name: str = Field(
        default="mnist_5k",
        min_length=1,
        description="Bundled `mnist_5k` or `digits`, or any TFDS name (`cifar10`, `mnist:3.0.1`).",
    )
    data_dir: str | None = Field(
        default=None,
        description="Folder where TFDS prepared the data set, or shall prepare it. "
        "Default: TFDS's own folder.",
    )
    validation: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="Share of the training split held out for validation: every choice is made "
        "on it, never on the test split. Unused where the data set has a validation split.",
    )
    image_size: tuple[int, int] | None = Field(
        default=None,
        description="Height and width in pixels that images are resized to. "
        "Needed where the images differ in size.",
    )
