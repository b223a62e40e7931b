"""The group `target` of a search: what may go; how much is what the search finds out."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from secateur.schema import tell_bounds
from secateur.sparsity.config import TargetConfig

_ORDER = {"layer": 0, "channel": 1, "head": 1}
_MASKS = 2


class SearchTarget(BaseModel):
    """What may be removed, and where; how much of it is what the search finds."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    pattern: tuple[str, ...] = Field(
        default=(),
        max_length=3,
        description="What goes together: weight, N:M such as 2:4, blocks such as 1x4, channel, "
        "head or layer; or several in turn, such as layer,channel,weight: what is removed for good "
        "goes first. Default: weight; in a search by FLOPs, parameters or milliseconds channel, as "
        "zeros do not lower those.",
    )
    allocation: Literal["global", "uniform", "output", "erk", "lamp"] = Field(
        default="global",
        description="Strategy bisection: how the one ratio is shared among the layers, or (output, "
        "pattern weight alone) among the outputs of each.",
    )
    round_to: int = Field(
        1, ge=1, le=1024, description="Patterns channel and head: widths left are multiples of it."
    )
    rank_layers: Literal["loss", "similarity", "scores"] = Field(
        "loss", description="Pattern layer: what a layer is worth."
    )
    pooling: Literal["mean", "l1", "l2", "max"] = Field(
        "mean", description="Blocks and channels: what makes one score of the weights' scores."
    )
    include: tuple[str, ...] = Field((), description="Globs on layers; only these are pruned.")
    exclude: tuple[str, ...] = Field((), description="Globs on layers that are not pruned.")
    floor: int = Field(1, ge=1, description="Weights that each kernel keeps at least.")

    @model_validator(mode="after")
    def _check_patterns(self) -> SearchTarget:
        try:
            places = [_ORDER.get(one.pattern, _MASKS) for one in self.targets()]
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        if places != sorted(set(places)):
            raise ValueError(
                f"pattern is {','.join(self.pattern)}; of several, layer comes first, then channel "
                "or head, then one that sets weights to zero, each once"
            )
        return self

    def targets(self) -> list[TargetConfig]:
        """A target for each pattern, with a ratio that stands for the one to be found."""
        return [self._target(pattern) for pattern in self.pattern]

    def _target(self, pattern: str) -> TargetConfig:
        how: dict[str, Any] = {"include": self.include, "exclude": self.exclude}
        fixed = ":" in pattern
        if not fixed:
            how |= {"ratio": 0.5, "floor": self.floor}
        if pattern in ("channel", "head"):
            how["round_to"] = self.round_to
            if self.allocation in ("global", "uniform"):
                how["allocation"] = self.allocation
        elif pattern == "layer":
            how["rank_layers"] = self.rank_layers
        elif not fixed:
            how["allocation"] = self.allocation
        return TargetConfig(pattern=pattern, pooling=self.pooling, schedule="one_shot", **how)


def amount(target: TargetConfig, **how: Any) -> TargetConfig:
    """The same pattern and scope with another way to say how much goes."""
    changes = {"ratio": None, "threshold": None, "quantile": None, "allocation": "global"}
    return TargetConfig.model_validate({**target.model_dump(), **changes, **how})


def by_layer(target: TargetConfig, ratios: Mapping[str, float]) -> TargetConfig:
    """The same pattern and scope with a ratio for each of some layers, by their exact paths."""
    return amount(target, allocation={glob.escape(name): r for name, r in ratios.items()})
