"""Canonical JSON, and digests of it: equal values give equal text on every machine."""

from __future__ import annotations

import enum
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """`value` as JSON text that depends on nothing but the value.

    Keys are sorted, tuples are lists, floats are written by `repr` (the shortest text that gives
    the same float back; -0.0 is 0.0), everything outside ASCII is escaped. Pydantic models count
    as their `model_dump(mode="json")`, enumerations as their value, NumPy scalars as the Python
    number. An int and a float are different values (`1` is not `1.0`).

    Args:
        value: None, bool, int, float, str, a mapping with str keys, a list or tuple of such, a
            pydantic model, an enumeration member or a NumPy scalar.

    Returns:
        One line of ASCII without spaces.

    Raises:
        TypeError: for a value of any other type; the sentence says where it is.
        ValueError: for NaN, an infinity, or a value that contains itself.
    """
    return json.dumps(_plain(value, "value", ()), sort_keys=True, separators=(",", ":"))


def digest_of(value: Any) -> str:
    """SHA-256 (64 hex digits) of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def _plain(value: Any, where: str, inside: tuple[int, ...]) -> Any:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(
                f"{where} is {float(value)!r}, which canonical JSON cannot hold; "
                "give a finite number."
            )
        return float(value) + 0.0
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return _plain(value.item(), where, inside)
    if id(value) in inside:
        raise ValueError(f"{where} contains itself, so it has no canonical JSON.")
    inside = (*inside, id(value))
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"{where} has the key {key!r} of type {type(key).__name__}; "
                    "canonical JSON allows only str keys."
                )
        return {str(k): _plain(v, f"{where}.{k}", inside) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, f"{where}[{i}]", inside) for i, v in enumerate(value)]
    if hasattr(type(value), "model_dump"):
        return _plain(value.model_dump(mode="json"), where, inside)
    raise TypeError(
        f"{where} is of type {type(value).__name__}, which has no canonical JSON; "
        "use numbers, strings, booleans, None, lists, mappings or pydantic models."
    )
