"""Pydantic parameters as command-line flags, joined with a YAML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import annotated_types
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, CliSettingsSource, SettingsConfigDict


class Flags:
    """The flags of one command: one for each field of a pydantic model, nested ones by dots."""

    def __init__(self, parameters: type[BaseModel], parser: argparse.ArgumentParser):
        self._parameters = parameters
        parser.add_argument(
            "--config",
            metavar="FILE",
            help="A YAML file with parameters; flags win over it.",
        )
        settings = type(
            parameters.__name__,
            (parameters, BaseSettings),
            {"model_config": _SETTINGS, "__doc__": parameters.__doc__},
        )
        self._source = _Source(settings, root_parser=parser)

    def read(self, namespace: argparse.Namespace) -> BaseModel:
        """The parameters that were given, checked.

        Raises:
            ValueError: One sentence (or a few, one for each wrong parameter).
        """
        given = self._source(parsed_args=namespace)()
        from_file = _read_yaml(namespace.config) if namespace.config else {}
        try:
            return self._parameters.model_validate(_joined(from_file, given))
        except ValidationError as error:
            raise ValueError(explain(error)) from error


_SETTINGS = SettingsConfigDict(
    extra="forbid",
    cli_avoid_json=True,
    cli_hide_none_type=True,
    cli_enforce_required=False,
)


class _Source(CliSettingsSource):
    """Flags whose help also tells the bounds, and whose metavar is short."""

    def _help_format(self, field_name: str, field_info: FieldInfo, *args: Any) -> str:
        text = super()._help_format(field_name, field_info, *args)
        bounds = _bounds(field_info)
        return text.replace("(default:", f"({bounds}; default:") if bounds else text


def _bounds(field: FieldInfo) -> str:
    """`0 <= . < 1` of a field that has bounds."""
    low = high = ""
    for rule in _rules(field):
        if isinstance(rule, annotated_types.Ge):
            low = f"at least {rule.ge:g}"
        elif isinstance(rule, annotated_types.Gt):
            low = f"above {rule.gt:g}"
        elif isinstance(rule, annotated_types.Le):
            high = f"at most {rule.le:g}"
        elif isinstance(rule, annotated_types.Lt):
            high = f"below {rule.lt:g}"
    return ", ".join(part for part in (low, high) if part)


def _rules(field: FieldInfo) -> list[Any]:
    """The constraints of a field, also those inside `Annotated[…] | None`."""
    inner = [m for arg in getattr(field.annotation, "__args__", ()) for m in _metadata(arg)]
    found = []
    for rule in [*field.metadata, *inner]:
        found.extend(rule.metadata if isinstance(rule, FieldInfo) else [rule])
    return found


def _metadata(annotation: Any) -> tuple:
    return getattr(annotation, "__metadata__", ())


def _read_yaml(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).expanduser().read_text())
    except OSError as error:
        raise ValueError(
            f"--config names {path!r}, which cannot be read: {error.strerror}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise ValueError(f"--config names {path!r}, which is no YAML: {where}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(
            f"--config names {path!r}, which holds a {type(content).__name__}; it has to map "
            "groups to their fields, such as `target: {ratio: 0.9}`."
        )
    return content


def _joined(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` in place of its own, group by group."""
    both = dict(base)
    for name, value in over.items():
        inner = both.get(name)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = _joined(inner, value)
        both[name] = value
    return both


def explain(error: ValidationError) -> str:
    """What is wrong with the parameters, a sentence for each."""
    return "\n".join(_sentence(item) for item in error.errors(include_url=False))


def _sentence(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if _is_field(part))
    if item["type"] == "missing":
        if where == "target":
            return (
                "target is missing: say how much to remove, such as target.ratio 0.9 "
                "(90 % of the prunable weights)."
            )
        return f"{where} is missing."
    if item["type"] == "extra_forbidden":
        return f"{where} is no parameter; see --help for those there are."
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    if item["type"] == "value_error":
        return f"{where}: {message}." if where else f"{message}."
    return f"{where} is {item['input']!r}: {message[0].lower()}{message[1:]}."


def _is_field(part: Any) -> bool:
    """Whether a part of an error's place is a name that users know, not a branch of a union."""
    return not (isinstance(part, str) and ("[" in part or part in ("literal", "float", "int")))
