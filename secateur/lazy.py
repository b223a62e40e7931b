"""Modules found on first use: `import secateur` is enough, and imports no TensorFlow."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType


def submodule(package: str, name: str) -> ModuleType:
    """A package's module of that name, for its `__getattr__`.

    Raises:
        AttributeError: There is none.
    """
    if name.startswith("_") or importlib.util.find_spec(f"{package}.{name}") is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return importlib.import_module(f"{package}.{name}")
