"""The parameter `deadline`: after how long the trainings of a run come to an end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError, WithJsonSchema

_WORDS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_ISO = TypeAdapter(timedelta)

ABOUT = (
    "How long the run may train, counted from its start, such as 90s, 30m, 2h or 1h30m. The "
    "training under way then stops at the end of its epoch with the best so far, and later ones "
    "have one epoch each. The report says so, and the same run, started again, goes on from "
    "there. Empty: no deadline."
)
"""The field's description."""


def _parse(value: Any) -> timedelta:
    try:
        found = _read(value)
    except (OverflowError, ValidationError):
        found = None
    if found is None or found <= timedelta(0):
        raise ValueError(
            f"{value!r} is no length of time; give one above 0 such as 90s, 30m, 2h or 1h30m, or "
            "in ISO 8601, such as PT2H"
        )
    return found


def _read(value: Any) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if match := _WORDS.fullmatch(text.lower()):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return _ISO.validate_python(text) if text.upper().startswith("P") else None


Deadline = Annotated[
    timedelta,
    BeforeValidator(_parse),
    WithJsonSchema({"type": "string"}),  # forms show a field for text, and not an unknown format
]
"""A length of time above 0, written as people do (`1h30m`) or in ISO 8601 (`PT1H30M`)."""
