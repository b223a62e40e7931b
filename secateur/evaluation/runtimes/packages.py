"""Which packages the runtimes need, told without importing them."""

from __future__ import annotations

import importlib.util

PACKAGES = {
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
}
"""Modules that writing and running a format needs; the extra that installs them has its name."""


class MissingRuntimeError(ValueError):
    """A package is not installed; one sentence that names the extra."""


def check_installed(format: str) -> None:
    """Refuses a format whose packages are not installed.

    Raises:
        MissingRuntimeError: One sentence.
    """
    missing = [name for name in PACKAGES.get(format, ()) if importlib.util.find_spec(name) is None]
    if missing:
        named = " and ".join(name.replace("_", "-") for name in missing)
        raise MissingRuntimeError(
            f"The format {format} needs {named}; install the extra by pip install "
            f"'secateur[{format}]'."
        )
