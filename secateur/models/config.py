"""Parameters of the model."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from secateur.schema import tell_bounds

Architecture = Literal["simple_net", "lenet_300_100", "lenet_5", "resnet_20"]

_FACTORY = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class ModelConfig(BaseModel):
    """The model to prune: one of a built-in architecture, a file, or a factory."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=tell_bounds,
        title="Model",
        protected_namespaces=(),
    )

    name: Architecture | None = Field(
        default="simple_net",
        description="A built-in architecture. Leave empty where a path or a factory is given.",
    )
    path: str | None = Field(
        default=None,
        description="A trained `.keras` file. It is trained further only if train.epochs is given.",
    )
    factory: str | None = Field(
        default=None,
        pattern=_FACTORY,
        description="`package.module:function`, called with the input shape and the number of "
        "classes. Only from modules that the operator allows (SECATEUR_MODEL_MODULES).",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_gives_way(cls, data: Any) -> Any:
        if (
            isinstance(data, dict)
            and "name" not in data
            and (data.get("path") or data.get("factory"))
        ):
            return {**data, "name": None}
        return data

    @field_validator("factory", mode="before")
    @classmethod
    def _names_a_function(cls, value: Any) -> Any:
        if isinstance(value, str) and not re.match(_FACTORY, value):
            raise ValueError(
                f"{value!r} names no function; write it as package.module:function, such as "
                "my_models.nets:small"
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> "ModelConfig":
        given = [f for f in ("name", "path", "factory") if getattr(self, f) is not None]
        if len(given) != 1:
            got = "none of them" if not given else " and ".join(f"model.{f}" for f in given)
            raise ValueError(
                f"give exactly one of model.name, model.path and model.factory, not {got}"
            )
        return self
