"""How much memory a runtime needs for a model file, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from secateur.evaluation.runtimes.runner import Inputs, each

_LIMIT = 600  # seconds


def peak_memory(path: Path, x: Inputs) -> int | None:
    """Bytes that loading a model and running one example add to the runtime's own memory, at most.

    Args:
        path: A `.tflite` or `.onnx` file. (TensorFlow's own memory would drown a Keras model.)
        x: Examples, of which the shapes and dtypes count.

    Returns:
        Bytes; None where the system does not tell (Windows), or the process failed.
    """
    shapes = each(x, lambda array: [[1, *array.shape[1:]], array.dtype.str])
    order = json.dumps({"path": str(path), "inputs": shapes})
    command = [sys.executable, "-m", "secateur.evaluation.memory"]
    try:
        done = subprocess.run(
            command, input=order, capture_output=True, text=True, timeout=_LIMIT, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return int(done.stdout)


def _peak() -> int:
    """The process's largest resident size so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts what the parent had before it started this
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return 1024 * int(fields["VmHWM"].split()[0])
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


def _measure(path: Path, inputs: Any) -> int:
    from secateur.evaluation.runtimes import open_model

    if path.suffix == ".tflite":  # what an import takes does not count
        from secateur.evaluation.runtimes import litert  # noqa: F401
    else:
        from secateur.evaluation.runtimes import onnx  # noqa: F401
    named = inputs if isinstance(inputs, dict) else {"": inputs}
    arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in named.items()}
    before = _peak()
    open_model(path, threads=1).ready(arrays if isinstance(inputs, dict) else arrays[""])()
    return max(0, _peak() - before)


if __name__ == "__main__":
    order = json.load(sys.stdin)
    print(_measure(Path(order["path"]), order["inputs"]))
