"""Keeping the noise of native libraries off the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def no_standard_error() -> Iterator[None]:
    """What the process writes to its standard error meanwhile, also by C code, is not shown.

    For libraries that report there before any setting of theirs is read. Errors are exceptions,
    and are not hidden.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
