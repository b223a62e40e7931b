"""Parameters of the model."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from secateur.factories import PATTERN
from secateur.schema import tell_bounds

Architecture = Literal[
    "simple_net",
    "lenet_300_100",
    "lenet_5",
    "resnet_20",
    "tabular_mlp",
    "text_cnn",
    "text_lstm",
    "text_transformer",
    "gpt",
]

_WAYS = ("name", "path", "factory", "application", "preset")


class ModelConfig(BaseModel):
    """The model to prune: one of a built-in architecture, a file, a factory and so on."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=tell_bounds,
        title="Model",
        protected_namespaces=(),
    )

    name: Architecture | None = Field(
        default="simple_net",
        description="A built-in architecture: of images or any numbers (simple_net, lenet_300_100, "
        "lenet_5, resnet_20), of tables (tabular_mlp), of text (text_cnn, text_lstm, "
        "text_transformer) or that writes text on (gpt). Leave empty where the model comes from "
        "elsewhere.",
    )
    path: str | None = Field(
        default=None,
        description="A trained `.keras` file. It is trained further only if train.epochs is given. "
        "Layers of your own, registered with keras.saving, are imported from modules that the "
        "operator allows (SECATEUR_MODEL_MODULES).",
    )
    factory: str | None = Field(
        default=None,
        pattern=PATTERN,
        description="`package.module:function`, called with the input shape and the number of "
        "classes, of several outputs a dict of them by name (and with `vocabulary`, if it has a "
        "parameter of that name). Only from modules that the operator allows "
        "(SECATEUR_MODEL_MODULES).",
    )
    application: str | None = Field(
        default=None,
        pattern=r"^[A-Z]\w*$",
        description="A name of keras.applications, such as MobileNetV2, for images of three "
        "channels; with a new last layer for the classes of the data.",
    )
    weights: str | None = Field(
        default=None,
        description="With an application: a file of its weights without the top (`.h5`, as "
        "keras.applications downloads them). Default: untrained.",
    )
    preset: str | None = Field(
        default=None,
        description="Folder of a KerasHub preset (extra `hub`): a classifier as it is, or a "
        "backbone of images that gets a new last layer.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_gives_way(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" not in data and any(map(data.get, _WAYS[1:])):
            return {**data, "name": None}
        return data

    @field_validator("factory", mode="before")
    @classmethod
    def _names_a_function(cls, value: Any) -> Any:
        if isinstance(value, str) and not re.match(PATTERN, value):
            raise ValueError(
                f"{value!r} names no function; write it as package.module:function, such as "
                "my_models.nets:small"
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> "ModelConfig":
        given = [f for f in _WAYS if getattr(self, f) is not None]
        if len(given) != 1:
            got = "none of them" if not given else " and ".join(f"model.{f}" for f in given)
            listed = f"{', '.join(f'model.{f}' for f in _WAYS[:-1])} and model.{_WAYS[-1]}"
            raise ValueError(f"give exactly one of {listed}, not {got}")
        if self.weights is not None and self.application is None:
            raise ValueError(
                "model.weights goes with model.application; of other models give the file itself "
                "as model.path"
            )
        return self

    @property
    def label(self) -> str:
        """What the model is called: its name, its factory, or the file or folder it is in."""
        place = Path(self.path or self.preset or "").stem
        return self.name or self.factory or self.application or place
