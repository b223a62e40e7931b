"""The parameters of the group `target`: how much is removed, where, in what pattern, and when."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from secateur.schema import tell_bounds

_ALLOCATIONS = ("auto", "global", "uniform", "output", "erk", "lamp")
_SIZED = re.compile(r"([1-9]\d{0,5})([:x])([1-9]\d{0,5})")

Ratio = Annotated[float, Field(ge=0, lt=1)]


class TargetConfig(BaseModel):
    """How much of a model is removed, and by what rule.

    Exactly one of these says how much: `ratio`, `threshold`, `quantile`, an `allocation` that maps
    layers to ratios, or a `pattern` such as `2:4`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, allow_inf_nan=False
    )

    ratio: Ratio | None = Field(
        None,
        description="Share to remove of the prunable weights that include and exclude select; "
        "met exactly, to one weight, block or channel.",
    )
    threshold: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Scores below it go. It acts on the scores as they are, and those of most "
        "criteria are sums that grow with importance.examples; quantile does not depend on that.",
    )
    quantile: Ratio | None = Field(
        None,
        description="Scores below this quantile of the scores go; unlike with ratio, equal scores "
        "go or stay together, so fewer may go.",
    )
    allocation: Literal["auto", "global", "uniform", "output", "erk", "lamp"] | dict[str, Ratio] = (
        Field(
            "auto",
            description="How the budget is shared: auto (where single weights go by a ratio: lamp "
            "by their magnitude, output by wanda; else global), global (the lowest scores "
            "anywhere), uniform (the same ratio in each layer), output (the same ratio in each "
            "output of each layer, whose weights are compared with each other alone), erk (Evci "
            "2020), lamp (Lee 2021), or a mapping of globs on layers to their ratios, where the "
            "longest glob that matches a layer counts and layers that no glob matches stay dense.",
        )
    )
    pattern: str = Field(
        "weight",
        description="What goes together: weight; channel (whole output units), head (of attention) "
        "and layer (whole layers and residual blocks), which are removed for good; N:M such as 2:4 "
        "(at most N of M consecutive inputs are kept, which fixes the ratio); blocks such as 1x4 "
        "(inputs x outputs).",
    )
    measure: Literal["units", "parameters", "flops", "latency"] = Field(
        "units",
        description="What ratio is a share of, with patterns channel, head and layer: the units "
        "themselves, or the parameters, FLOPs or latency of the whole model. Latency is measured: "
        "one example in LiteRT on one thread of this machine.",
    )
    round_to: int = Field(
        1,
        ge=1,
        le=1024,
        description="With patterns channel and head: widths are left as multiples of it; runtimes "
        "are fastest with multiples of 8 or 16.",
    )
    rank_layers: Literal["loss", "similarity", "scores"] = Field(
        "loss",
        description="With pattern layer, what a layer is worth: the loss on training data without "
        "it, how little its output is like its input (similarity), or the mean of its weights' "
        "scores.",
    )
    pooling: Literal["mean", "l1", "l2", "max"] = Field(
        "mean",
        description="With blocks and channels: what makes one score of the scores of the unit's "
        "weights.",
    )
    schedule: Literal["one_shot", "iterative", "gradual"] = Field(
        "one_shot",
        description="When: one_shot; iterative (rounds of scoring, pruning and fine-tuning, each "
        "removing the same share of what is left); gradual (during fine-tuning, along the cubic "
        "curve of Zhu & Gupta 2017, where weights may come back).",
    )
    rounds: int = Field(3, ge=1, le=1000, description="Rounds of the iterative schedule.")
    begin: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Gradual schedule: where pruning begins, as a share of the fine-tuning steps.",
    )
    end: float = Field(
        0.75,
        gt=0,
        le=1,
        description="Gradual schedule: where the full ratio is reached, as a share of the "
        "fine-tuning steps.",
    )
    frequency: int = Field(
        100, ge=1, description="Gradual schedule: training steps between two updates of the masks."
    )
    include: tuple[str, ...] = Field(
        (),
        description="Globs on layer paths, layer names or layer types (Dense, Conv2D); only what "
        "one of them matches is pruned. Empty: every layer.",
    )
    exclude: tuple[str, ...] = Field(
        (),
        description="Globs on layer paths, layer names or layer types that are not pruned, even "
        "if included.",
    )
    floor: int = Field(
        1,
        ge=1,
        description="Weights that each kernel keeps at least, however low its scores; where "
        "channels or heads are removed: how many of them each group keeps.",
    )

    regrow: bool = Field(
        False,
        description="Whether weights that are zero before anything is pruned may come back. "
        "Otherwise those of a model that was pruned before stay zero, and count among the removed.",
    )

    @field_validator("allocation", mode="before")
    @classmethod
    def _check_allocation(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in _ALLOCATIONS:
                raise ValueError(
                    f"allocation is {value!r}; use {', '.join(_ALLOCATIONS)}, or a mapping of "
                    "layer globs to ratios"
                )
            return value
        if not isinstance(value, dict) or not value:
            raise ValueError(
                f"allocation is {value!r}; use {', '.join(_ALLOCATIONS)}, or a mapping of layer "
                "globs to ratios that is not empty"
            )
        for glob, ratio in value.items():
            number = isinstance(ratio, int | float) and not isinstance(ratio, bool)
            if not number or not 0 <= ratio < 1:
                raise ValueError(
                    f"allocation gives {glob!r} the ratio {ratio!r}; use a number from 0 to below 1"
                )
        return value

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        if value in ("weight", "channel", "head", "layer"):
            return value
        sizes = _SIZED.fullmatch(value)
        if sizes is None:
            raise ValueError(
                f"pattern is {value!r}; use weight, channel, head, layer, N:M such as 2:4, or "
                "blocks such as 1x4"
            )
        if sizes[2] == ":" and int(sizes[1]) >= int(sizes[3]):
            raise ValueError(
                f"pattern {value} would remove nothing; in N:M, N of M weights are kept, so N must "
                "be smaller than M"
            )
        return value

    @property
    def cuts(self) -> bool:
        """Whether what is pruned is removed for good by the dependency graph, and not masked."""
        if self.pattern in ("head", "layer"):
            return True
        compared = self.allocation not in ("erk", "lamp")
        sized = self.ratio is not None or isinstance(self.allocation, dict)
        return self.pattern == "channel" and compared and sized

    @property
    def scored(self) -> bool:
        """Whether what goes is chosen by scores of weights; whole layers need not be."""
        return self.pattern != "layer" or self.rank_layers == "scores"

    def settled(self, criterion: str) -> TargetConfig:
        """The same with the allocation that `auto` stands for; elsewhere `auto` is global.

        Fine-tuned, lamp kept more accuracy than global on the validation splits of
        `benchmarks/accuracy.md`; wanda compares the weights of each output, as its paper does.

        Args:
            criterion: What the weights are scored by.
        """
        if self.allocation != "auto":
            return self
        single = self.pattern == "weight" and self.ratio is not None
        own = {"magnitude": "lamp", "wanda": "output"} if single else {}
        return self.model_copy(update={"allocation": own.get(criterion, "global")})

    @property
    def n_of_m(self) -> tuple[int, int] | None:
        """(N, M) if the pattern is N:M."""
        return self._sizes(":")

    @property
    def block(self) -> tuple[int, int] | None:
        """(inputs, outputs) of a block if the pattern is of blocks."""
        return self._sizes("x")

    def _sizes(self, separator: str) -> tuple[int, int] | None:
        sizes = _SIZED.fullmatch(self.pattern)
        if sizes is None or sizes[2] != separator:
            return None
        return int(sizes[1]), int(sizes[3])

    @model_validator(mode="after")
    def _check_together(self) -> TargetConfig:
        given = [
            f"{name} {getattr(self, name)}"
            for name in ("ratio", "threshold", "quantile")
            if getattr(self, name) is not None
        ]
        if isinstance(self.allocation, dict):
            given.append("an allocation that gives layers their ratios")
        if self.n_of_m:
            given.append(f"pattern {self.pattern}, which fixes the ratio")
        if not given:
            raise ValueError(
                "the target does not say how much to remove; give ratio (0.9 removes 90 %), "
                "threshold, quantile, an allocation of ratios by layer, or a pattern such as 2:4"
            )
        if len(given) > 1:
            raise ValueError(
                f"the target says how much to remove in {len(given)} ways: {' and '.join(given)}; "
                "keep one of them"
            )
        self._check_structure_fits()
        self._check_allocation_fits()
        self._check_schedule_fits()
        return self

    def _check_structure_fits(self) -> None:
        pattern = self.pattern
        if self.measure == "latency" and self.schedule == "gradual":
            raise ValueError(
                "measure latency takes seconds for each cut, too long for the updates of schedule "
                "gradual; use measure flops, or schedule one_shot or iterative"
            )
        if self.measure != "units" and not self.cuts:
            raise ValueError(
                f"measure {self.measure} goes with a ratio and the patterns channel (allocation "
                f"global, uniform or by layer), head and layer, not with {pattern}; leave it out"
            )
        if self.round_to > 1 and (pattern == "layer" or not self.cuts):
            raise ValueError(
                f"round_to {self.round_to} goes with a ratio and the patterns channel and head, "
                f"not with {pattern}; leave it out"
            )
        if self.rank_layers != "loss" and pattern != "layer":
            raise ValueError(
                f"rank_layers {self.rank_layers} goes with pattern layer, not with {pattern}; "
                "leave it out"
            )
        if self.floor > 1 and pattern == "layer":
            raise ValueError(f"floor {self.floor} has no part in pattern layer; leave it out")
        if pattern not in ("head", "layer"):
            return
        by_name = isinstance(self.allocation, dict)
        if self.ratio is None and not (pattern == "head" and by_name):
            raise ValueError(f"pattern {pattern} needs a ratio; give ratio, such as 0.5")
        possible = ("auto", "global", "uniform")[: 2 if pattern == "layer" else 3]
        if self.allocation not in possible and not (pattern == "head" and by_name):
            raise ValueError(
                f"allocation {self.allocation} has no part in pattern {pattern}; leave it out"
            )
        if self.schedule == "gradual" and pattern == "layer":
            raise ValueError(
                "pattern layer cannot grow back while the model trains; use schedule one_shot or "
                "iterative"
            )

    def _check_allocation_fits(self) -> None:
        name = self.allocation
        if self.threshold is not None and name not in ("auto", "global"):
            raise ValueError(
                f"threshold decides by the score alone, so allocation {name} has no part in it; "
                "use allocation global, or ratio in place of threshold"
            )
        if self.quantile is not None and name not in ("auto", "global", "uniform"):
            raise ValueError(
                f"quantile goes with allocation global or uniform, not with {name}; use ratio in "
                "place of quantile"
            )
        if self.n_of_m and name not in ("auto", "global", "uniform"):
            raise ValueError(
                f"pattern {self.pattern} removes the same share everywhere, so allocation {name} "
                "has no part in it; leave allocation out, or use another pattern"
            )
        if name == "output" and self.pattern != "weight":
            raise ValueError(
                f"allocation output compares single weights, not units of pattern {self.pattern}; "
                "use allocation uniform, or pattern weight"
            )
        if self.n_of_m and self.floor > 1:
            raise ValueError(
                f"pattern {self.pattern} fixes how many weights stay, so a floor of {self.floor} "
                "cannot be held; leave floor out, or use another pattern"
            )

    def _check_schedule_fits(self) -> None:
        if self.schedule == "one_shot":
            return
        if self.ratio is None and not isinstance(self.allocation, dict):
            raise ValueError(
                f"schedule {self.schedule} grows a ratio step by step; give ratio, or use schedule "
                "one_shot"
            )
        if self.schedule == "gradual" and self.begin >= self.end:
            raise ValueError(
                f"the gradual schedule begins at {self.begin} and ends at {self.end} of the "
                "fine-tuning steps; begin must be smaller than end"
            )
