"""What the models of all rooms' parameters share: a JSON schema that forms can be made of."""

from __future__ import annotations

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
