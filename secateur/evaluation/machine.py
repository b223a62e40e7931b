"""What timings depend on besides the model: the machine. Imports no TensorFlow."""

from __future__ import annotations

import functools
import os
import platform
from importlib import metadata
from pathlib import Path

_RUNTIMES = ("ai-edge-litert", "onnx", "onnxruntime", "tensorflow", "tf2onnx")


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


@functools.cache
def machine() -> dict[str, str | int]:
    """Name, processor, cores and versions of the runtimes: what a latency is measured on."""
    return {"host": platform.node(), "processor": _processor(), "cores": cores(), **runtimes()}


@functools.cache
def runtimes() -> dict[str, str]:
    """Versions of what writes and runs exported files; `none` of what is not installed."""
    return {name: _version(name) for name in _RUNTIMES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _processor() -> str:
    """The processor's own name where the system tells it, else its family."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
