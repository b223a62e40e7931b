"""The parameters of the flow `sweep`: those of `prune`, and the axes of a grid over them."""

from __future__ import annotations

import functools
import itertools
import json
import math
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.flows.arguments import explain
from secateur.flows.parameters import ASIDE, PruneParameters, Seed
from secateur.flows.publish import PublishConfig
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import Destination, OutputFolder, locate, names_of
from secateur.output.inputs import inputs_of
from secateur.schema import tell_bounds
from secateur.sparsity.config import TargetConfig
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig

_STRICT = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)
_AMOUNTS = ("target.ratio", "target.threshold", "target.quantile")
"""Ways to say how much is removed, of which a trial takes one."""
_SEEDS = ("seed", "fine_tune.seed")
"""Axes whose values are repetitions of the same trial."""


def _value_type(field: FieldInfo) -> Any:
    """The type of one value on an axis: that of the field, without its None."""
    annotation: Any = field.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(annotation) if part is not type(None)]
        annotation = typing.Union[tuple(rest)]  # noqa: UP007  (its parts are known at run time)
    for rule in field.metadata:
        annotation = Annotated[annotation, rule]
    return annotation


def _axis(name: str, field: FieldInfo) -> Any:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        group = _axes(field.annotation, name)
        return (group, Field(group(), description=f"Axes of the group {name}."))
    values = types.GenericAlias(list, (_value_type(field),))
    return (values | None, Field(None, min_length=1, description=field.description))


def _axes(group: type[BaseModel], name: str) -> type[BaseModel]:
    fields: dict[str, Any] = {
        key: _axis(f"{name}.{key}", value) for key, value in group.model_fields.items()
    }
    doc = f"Values of parameters of `{name}`, a list each."
    title = f"{name.replace('.', '_')}_axes"
    return create_model(title, __config__=_STRICT, __doc__=doc, **fields)


def _all_axes() -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, value in PruneParameters.model_fields.items():
        if name in {"export", "first", *ASIDE}:
            continue
        fields[name] = _axis(name, value)
    doc = "The axes of the grid: for any parameter the values that it takes."
    return create_model("SweepAxes", __config__=_STRICT, __doc__=doc, **fields)


SweepAxes = _all_axes()

SweepTarget = create_model(  # type: ignore[call-overload]
    "SweepTarget",
    __config__=ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, allow_inf_nan=False
    ),
    __doc__="The group `target` of every trial; the axes say what it leaves open.",
    **{name: (value.annotation, value) for name, value in TargetConfig.model_fields.items()},
)


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes:
        values: Its values on the axes, by the parameters' dotted names.
        parameters: All its parameters, resolved.
    """

    values: dict[str, Any]
    parameters: PruneParameters

    @property
    def name(self) -> str:
        """Its values in short, such as `ratio=0.9 criterion=gradient`."""
        last = [key.rpartition(".")[2] for key in self.values]
        names = self.values if len(set(last)) < len(last) else last
        pairs = zip(names, self.values.values(), strict=True)
        return " ".join(f"{name}={_short(value)}" for name, value in pairs)

    @property
    def variant(self) -> dict[str, Any]:
        """The values without those of seeds: what trials that repeat each other share."""
        return {key: value for key, value in self.values.items() if key not in _SEEDS}


@dataclass
class Grid:
    """The trials of a sweep.

    Attributes:
        trials: In the order of the axes, each once.
        notices: What was left out, and why.
    """

    trials: list[Trial] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class SweepParameters(BaseModel):
    """Prune one model in many ways, and find those that are worth their cost."""

    model_config = _STRICT

    sweep: SweepAxes = Field(  # type: ignore[valid-type]
        description="The grid: for any parameter a list of values; every combination is a trial. "
        "Ways to say how much is removed (ratio, threshold, quantile) are not combined: each has "
        "trials of its own."
    )
    dataset: DatasetConfig = Field(default=DatasetConfig(), description="The data.")
    model: ModelConfig = Field(default=ModelConfig(), description="The model to prune.")
    train: TrainConfig = Field(default=TrainConfig(), description="Training of the dense model.")
    importance: ImportanceConfig = Field(
        default=ImportanceConfig(), description="What a weight is worth."
    )
    target: SweepTarget = Field(default=SweepTarget(), description="How much to remove, and where.")
    correct: CorrectConfig = Field(
        default=CorrectConfig(), description="What is mended after the cut, without training."
    )
    fine_tune: FineTuneConfig = Field(
        default=FineTuneConfig(), description="Training of the pruned model."
    )
    objective: ObjectiveConfig = Field(
        default=ObjectiveConfig(), description="What the model is for, and measured by."
    )
    seed: Seed = Field(default=0, description="One integer for everything.")
    output: OutputFolder = Field(
        default=Path("out"), description="The folder of the sweep's results."
    )
    publish: PublishConfig = Field(
        default=PublishConfig(), description="When results are written, and who is told."
    )
    workers: int = Field(
        default=1, ge=1, le=1024, description="Processes that run trials on this machine."
    )
    runner: Literal["process", "dask", "deployment"] = Field(
        default="process",
        description="Where trials run: process (on this machine), dask (on the cluster at "
        "address), deployment (as runs of the deployment named by deployment).",
    )
    address: str | None = Field(
        default=None, description="Runner dask: the scheduler, such as tcp://host:8786."
    )
    deployment: str = Field(
        default="trial/trial", description="Runner deployment: its name, as flow/deployment."
    )
    max_trials: int = Field(
        default=1000, ge=1, description="Refuse a grid of more trials than this."
    )

    def check(self) -> Grid:
        """Refuses what can be known to fail before any work, and gives the trials.

        Raises:
            ValueError: One sentence.
        """
        if self.runner == "dask" and not self.address:
            raise ValueError(
                "runner is dask, but address is missing; give the scheduler's, such as "
                "--address tcp://host:8786."
            )
        if self.runner != "dask" and self.address:
            raise ValueError(f"address is given, but runner is {self.runner}; use runner dask.")
        self.publish.check()
        locate(self.output)  # or every trial would be refused for it
        grid = self.grid()
        for trial in {_key(_without_seeds(t.parameters)): t for t in grid.trials}.values():
            trial.parameters.check_work()
        self.destination(grid).check()
        return grid

    def destination(self, grid: Grid) -> Destination:
        """Where the results go."""
        read = [inputs_of(t.parameters.model, t.parameters.dataset) for t in grid.trials]
        inputs = tuple(dict.fromkeys(each for several in read for each in several))
        return Destination(self.output, names_of("sweep"), inputs)

    def axes(self) -> dict[str, list[Any]]:
        """The values by dotted parameter, as plain JSON."""
        given = self.model_dump(include={"sweep"}, mode="json", exclude_none=True)
        return dict(_given(given["sweep"]))

    def grid(self) -> Grid:
        """Every combination of the axes' values, checked, each once.

        Raises:
            ValueError: One sentence: no axes, too many trials, or none that is possible.
        """
        axes = self.axes()
        if not axes:
            raise ValueError(
                "sweep names no axis; give lists of values, such as sweep.target.ratio 0.5,0.9."
            )
        base = self.model_dump(
            include=set(PruneParameters.model_fields) - {"first", "publish"},
            exclude_unset=True,
            mode="json",
        )
        size = sum(math.prod(map(len, part.values())) for part in _alternatives(axes))
        if size > self.max_trials:
            raise ValueError(
                f"the grid has {size:,} trials, and max_trials is {self.max_trials:,}; name fewer "
                "values, or raise max_trials if you mean it."
            )
        grid, seen, refused = Grid(notices=_overruled(base, axes)), set(), []
        for values in _combinations(axes):
            try:
                trial = _trial(base, values)
            except ValueError as error:
                refused.append(f"{_listed(values)}: {error}")
                continue
            key = _key(trial.parameters)
            if key not in seen:
                seen.add(key)
                grid.trials.append(trial)
        if not grid.trials:
            raise ValueError(f"no trial of the grid is possible; the first: {refused[0]}")
        twice = size - len(seen) - len(refused)
        if twice:
            grid.notices.append(
                f"Trials that the grid names more than once run once ({twice} fewer)."
            )
        grid.notices.extend(f"Left out {text}" for text in refused)
        return grid


def _overruled(base: dict[str, Any], axes: dict[str, list[Any]]) -> list[str]:
    """A sentence for each value of all trials in whose place the axes put theirs."""
    amount = next((name for name in _AMOUNTS if name in axes), None)
    stand_in = {
        **dict.fromkeys(_AMOUNTS if amount else (), amount),
        **{name: name for name in axes},
    }
    fields = [f"{group}.{key}" for group, v in base.items() if isinstance(v, dict) for key in v]
    return [
        f"{name} is not used: the values of sweep.{stand_in[name]} stand in its place."
        for name in (*fields, *base)
        if name in stand_in
    ]


def _given(axes: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """The axes that have values: dotted name, and values as plain JSON."""
    for name, value in axes.items():
        if isinstance(value, dict):
            yield from _given(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _alternatives(axes: dict[str, list[Any]]) -> Iterator[dict[str, list[Any]]]:
    """The grid as parts: one for each way to say how much is removed."""
    amounts = [name for name in _AMOUNTS if name in axes]
    for amount in amounts or [""]:
        yield {name: v for name, v in axes.items() if name not in amounts or name == amount}


def _combinations(axes: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for part in _alternatives(axes):
        for values in itertools.product(*part.values()):
            yield dict(zip(part, values, strict=True))


def _trial(base: dict[str, Any], values: dict[str, Any]) -> Trial:
    """Raises a `ValueError`, one sentence, if the values contradict each other."""
    groups = json.loads(json.dumps(base))  # a deep copy
    fixed = ":" in values.get("target.pattern", "")  # N:M says how much goes
    if fixed:
        values = {name: v for name, v in values.items() if name not in _AMOUNTS}
    if fixed or not values.keys().isdisjoint(_AMOUNTS):
        for amount in _AMOUNTS:
            groups.get("target", {}).pop(amount.partition(".")[2], None)
    for name, value in values.items():
        *path, key = name.split(".")
        functools.reduce(lambda inner, part: inner.setdefault(part, {}), path, groups)[key] = value
    groups.setdefault("target", {})
    try:
        return Trial(values, PruneParameters.model_validate(groups).resolved())
    except ValidationError as error:
        raise ValueError(explain(error).replace("\n", " ")) from error


def _without_seeds(parameters: PruneParameters) -> PruneParameters:
    tuned = parameters.fine_tune.model_copy(update={"seed": 0})
    return parameters.model_copy(update={"seed": 0, "fine_tune": tuned})


def _key(parameters: PruneParameters) -> str:
    return parameters.model_dump_json(exclude={"output"})


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
