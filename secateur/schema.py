"""What the models of all rooms share: JSON schemas that forms are made of, and that may grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LOW = {"minimum": "at least {}", "exclusiveMinimum": "above {}"}
_HIGH = {"maximum": "at most {}", "exclusiveMaximum": "below {}"}


def tell_bounds(schema: dict[str, Any]) -> None:
    """Adds to each field's description the bounds of its numbers, which forms do not show.

    For `json_schema_extra` of a pydantic model.

    Args:
        schema: The model's JSON schema; changed in place.
    """
    for field in schema.get("properties", {}).values():
        told = ", ".join(_bounds(field))
        if told:
            text = f"{field.get('description', '')} {told[0].upper()}{told[1:]}."
            field["description"] = text.strip()


def _bounds(schema: dict[str, Any]) -> list[str]:
    """Those of a number, of a number that may be left out, or of the numbers of a list."""
    own = [words.format(schema[key]) for key, words in (_LOW | _HIGH).items() if key in schema]
    inner = [*schema.get("anyOf", ())]
    if "items" in schema:
        inner.append(schema["items"])
    return own or next((found for part in inner if (found := _bounds(part))), [])


def may_lack(*names: str) -> Callable[[dict[str, Any]], None]:
    """For `json_schema_extra`: fields that what was written by an earlier release does not have.

    Args:
        names: Fields with a default.
    """

    def change(schema: dict[str, Any]) -> None:
        schema["required"] = [name for name in schema["required"] if name not in names]

    return change
