"""The names of the criteria and what each one needs, known without importing TensorFlow."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import metadata
from typing import Any, Literal, NamedTuple, TypeVar

DEFAULT = "magnitude"  # first on validation accuracy in benchmarks/criteria.py
ENTRY_POINTS = "secateur.criteria"

Kind = Literal["weight", "unit", "method"]
Function = TypeVar("Function", bound=Callable[..., Any])


class Criterion(NamedTuple):
    """What is known of a criterion before it runs.

    Attributes:
        name: What users call it.
        target: `package.module:function`, imported when the criterion runs.
        kind: `weight` scores each weight by itself; `unit` scores output units (channels, neurons,
            heads) whose score all of their weights share; `method` also rewrites the weights that
            stay, and so gives no scores.
        data: Whether it looks at examples.
        loss: Whether it needs a loss, and so the labels too.
    """

    name: str
    target: str
    kind: Kind = "weight"
    data: bool = False
    loss: bool = False


def _here(name: str, kind: Kind = "weight", *, data: bool = False, loss: bool = False) -> Criterion:
    target = f"secateur.importance.criteria.{name}:{name}"
    return Criterion(name, target, kind, data or loss, loss)


BUILT_IN: dict[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        _here("magnitude"),
        _here("random"),
        _here("gradient", loss=True),
        _here("taylor", loss=True),
        _here("taylor_signed", loss=True),
        _here("snip", loss=True),
        _here("fisher", loss=True),
        _here("wanda", data=True),
        _here("movement", loss=True),
        _here("activation", "unit", loss=True),
        _here("activation_mean", "unit", data=True),
        _here("apoz", "unit", data=True),
        _here("density", "unit"),
        _here("entropy", "unit", data=True),
        _here("fpgm", "unit"),
        _here("batchnorm_scale", "unit"),
        Criterion("sparsegpt", "secateur.importance.sparsegpt:sparsegpt", "method", data=True),
    )
}


def needs(
    kind: Kind = "weight", *, data: bool = False, loss: bool = False
) -> Callable[[Function], Function]:
    """Says what a criterion of another package needs; a decorator for the function itself.

    A criterion is a function of a `secateur.importance.run.Run` that returns an array for each
    weight path (of the weight's shape, or one value for each unit if it is of that kind). Its
    package makes it known by an entry point:

        [project.entry-points."secateur.criteria"]
        mine = "package.module:function"

    Args:
        kind: `weight` or `unit`.
        data: Whether it looks at examples.
        loss: Whether it needs the loss.
    """

    def mark(function: Function) -> Function:
        function.needs = (kind, data or loss, loss)  # type: ignore[attr-defined]
        return function

    return mark


def criterion_names() -> list[str]:
    """Names of all criteria that can be asked for, those of other installed packages included."""
    return sorted({*BUILT_IN, *(entry.name for entry in _entry_points())})


def check_criterion(name: str) -> str:
    """Returns `name` if it is a criterion.

    Raises:
        ValueError: It is not; the message lists the criteria and the nearest name.
    """
    names = criterion_names()
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name!r} is not a criterion; choose one of {', '.join(names)}.{hint}")


def criterion_entry(name: str) -> metadata.EntryPoint | None:
    """The entry point of a criterion of another package; None for one of our own.

    Raises:
        ValueError: There is no such criterion, or two packages bring one of that name.
    """
    if name in BUILT_IN:
        return None
    check_criterion(name)
    found = {entry.value: entry for entry in _entry_points() if entry.name == name}
    if len(found) > 1:
        raise ValueError(
            f"Two packages bring a criterion {name!r}, {' and '.join(sorted(found))}; "
            "uninstall one of them."
        )
    return next(iter(found.values()))


def _entry_points() -> metadata.EntryPoints:
    return metadata.entry_points(group=ENTRY_POINTS)
