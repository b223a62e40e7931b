"""Pydantic parameters as command-line flags, joined with a YAML file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import annotated_types
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    SettingsConfigDict,
    SettingsError,
)


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
        parser.usage = f"{parser.prog} [-h] [--config FILE] [--GROUP.FIELD VALUE ...]"
        parser.allow_abbrev = False  # a part of a name is a name that is not known
        self._source = _Source(settings, root_parser=parser)

    def read(self, namespace: argparse.Namespace) -> BaseModel:
        """The parameters that were given, checked.

        Raises:
            ValueError: One sentence (or a few, one for each wrong parameter).
        """
        try:
            given = self._source(parsed_args=namespace)()
        except SettingsError as error:  # lists and mappings are read as JSON
            raise ValueError(
                f"The flags cannot be read ({str(error).rstrip('.')}); give a list or a mapping as "
                'JSON, such as --target.include \'["conv[12]", "dense*"]\'.'
            ) from error
        from_file = _read_yaml(namespace.config) if namespace.config else {}
        try:
            return self._parameters.model_validate(_joined(from_file, given, self._parameters))
        except ValidationError as error:
            raise ValueError(explain(error)) from error


_SETTINGS = SettingsConfigDict(
    extra="forbid",
    cli_avoid_json=True,
    cli_hide_none_type=True,
    cli_enforce_required=False,
)


_METAVARS = [
    (r"list\[tuple\[.*\]\]", "JSON"),
    (r"\{(\{.*?\}),(.*?)\}(?=\]?$)", r"\1,\2"),  # choices inside choices
    (r"\},", ","),
    (r"dict\[.*?\]", "JSON}"),
    (r"tuple\[int,int\]", "N,N"),
    (r"(?:tuple|list)\[(.*?)(?:,\.\.\.)?\]$", r"\1,..."),
    (r"\bstr\b", "TEXT"),
    (r"\bint\b", "N"),
    (r"\bfloat\b", "X"),
    (r"\bbool\b", "{true,false}"),
    (r"\bPath\b", "PATH"),
    (r"\btimedelta\b", "TIME"),
]
"""What people write in place of a type."""


class _Source(CliSettingsSource):
    """Flags whose help also tells the bounds, and whose metavar says what to write."""

    def _metavar_format(self, obj: Any) -> str:
        text = super()._metavar_format(obj)
        for pattern, words in _METAVARS:
            text = re.sub(pattern, words, text)
        return text

    def _help_format(self, field_name: str, field_info: FieldInfo, *args: Any) -> str:
        text = super()._help_format(field_name, field_info, *args).removesuffix(" (default: None)")
        text = text.replace("(default: ())", "(default: empty)")
        facts = [_bounds(field_info)]
        if not field_info.is_required() and field_info.default is None:
            facts.append("" if "Default:" in (field_info.description or "") else "default: empty")
        told = "; ".join(fact for fact in facts if fact)
        if "(default:" in text:
            return text.replace("(default:", f"({told}; default:") if told else text
        return f"{text} ({told})" if told else text


def _bounds(field: FieldInfo) -> str:
    """`at least 0, below 1` of a field that has bounds."""
    low = high = ""
    for rule in _rules(field):
        if isinstance(rule, annotated_types.Ge):
            low = f"at least {rule.ge}"
        elif isinstance(rule, annotated_types.Gt):
            low = f"above {rule.gt}"
        elif isinstance(rule, annotated_types.Le):
            high = f"at most {rule.le}"
        elif isinstance(rule, annotated_types.Lt):
            high = f"below {rule.lt}"
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
        content = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
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


def _joined(base: dict[str, Any], over: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """`base` with the fields of `over` in place of its own, group by group."""
    both = dict(base)
    for name, value in over.items():
        group = model.model_fields[name].annotation if name in model.model_fields else None
        inner = both.get(name)
        if (
            isinstance(group, type)
            and issubclass(group, BaseModel)
            and isinstance(inner, dict)
            and isinstance(value, dict)
        ):
            value = _joined(inner, value, group)
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
        if isinstance(item["loc"][-1], int):
            return f"{where} has too few values; see --help."
        return f"{where} is missing."
    if item["type"] == "extra_forbidden":
        return f"{where} is no parameter; see --help for those there are."
    if item["type"] in ("model_type", "model_attributes_type"):
        return f"{where} is {item['input']!r}: it is a group; give its fields by their names."
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    if item["type"] == "value_error":
        end = "" if message.endswith("?") else "."
        return f"{where}: {message}{end}" if where else f"{message}{end}"
    return f"{where} is {item['input']!r}: {message[0].lower()}{message[1:]}."


def _is_field(part: Any) -> bool:
    """Whether a part of an error's place is a name that users know: no branch of a union, no
    number of a value in a list (the value itself is shown)."""
    return not isinstance(part, int) and not (
        isinstance(part, str) and ("[" in part or part in ("literal", "float", "int"))
    )
