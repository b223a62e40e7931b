"""Parameters of the flow `prune` -> the command line that gives them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from secateur.flows.parameters import PruneParameters


def command_line(parameters: PruneParameters) -> str:
    """The shell command that runs the same: a flag for each parameter that has to be given.

    Args:
        parameters: As they were given, or resolved.
    """
    given = dict(_given(parameters))
    wanted = parameters.resolved()
    for name in list(given):  # what follows from other fields need not be said
        fewer = {key: value for key, value in given.items() if key != name}
        if _means(fewer, wanted):
            given = fewer
    flags = (f"--{name} {shlex.quote(_text(value))}" for name, value in given.items())
    return " ".join(["secateur prune", *flags])


def _given(parameters: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of the fields that are not their own defaults."""
    for name, field in type(parameters).model_fields.items():
        value = getattr(parameters, name)
        if isinstance(value, BaseModel):
            yield from _given(value, f"{prefix}{name}.")
        elif value != field.get_default(call_default_factory=True, validated_data={}):
            yield prefix + name, parameters.model_dump(mode="json")[name]


def _means(given: Mapping[str, Any], wanted: PruneParameters) -> bool:
    """Whether these fields alone give the wanted parameters."""
    nested: dict[str, Any] = {}
    for name, value in given.items():
        *groups, last = name.split(".")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    try:
        return PruneParameters.model_validate(nested).resolved() == wanted
    except ValueError:
        return False


def _text(value: Any) -> str:
    """As the flags read it: lists and mappings are JSON."""
    return str(value) if value is None or isinstance(value, str) else json.dumps(value)
