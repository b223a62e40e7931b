"""Scores and a target become masks: allocation, pattern, schedule; and masks are held.

`select`, `hold`, `apply_masks` and `Masks` are found here on first use, so that importing a
submodule such as `secateur.sparsity.config` stays cheap.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from secateur.lazy import submodule

if TYPE_CHECKING:
    from secateur.sparsity.hold import apply_masks as apply_masks
    from secateur.sparsity.hold import hold as hold
    from secateur.sparsity.masks import Masks as Masks
    from secateur.sparsity.select import select as select

_HOME = {"select": "select", "hold": "hold", "apply_masks": "hold", "Masks": "masks"}


class _Room(types.ModuleType):
    """A package in which `select` and `hold` are the functions, not the submodules of that name."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            return submodule(__name__, name)
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
