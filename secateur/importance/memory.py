"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


@functools.cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # a C library other than glibc
        return None


def give_back() -> None:
    """Has the C library return what it keeps of freed memory, where it is glibc.

    It keeps the many short-lived arrays of a layer by layer pass: half the size of the model, for
    one of 100 million weights.
    """
    if trim := _trim():
        trim(0)
