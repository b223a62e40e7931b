"""ONNX files in ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from secateur.evaluation.machine import cores
from secateur.evaluation.runtimes.packages import check_installed
from secateur.evaluation.runtimes.runner import (
    Inputs,
    by_name,
    check_batch,
    in_batches,
    only_output,
)

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class Onnx:
    """An `.onnx` file.

    Args:
        path: The file.
        threads: How many threads a session may use; None for all cores.

    Raises:
        ValueError: One sentence: the runtime cannot load it.
        MissingRuntimeError: `onnxruntime` is not installed.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        check_installed("onnx")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no class
            first = str(error).strip().splitlines()[0].rstrip(".")
            raise ValueError(f"ONNX Runtime cannot load {str(path)!r}: {first}.") from error
        self._inputs = self._session.get_inputs()
        self._output = only_output(self._session.get_outputs(), path).name
        sizes = {each.shape[0] for each in self._inputs}
        self.batch = max(sizes) if all(isinstance(size, int) for size in sizes) else None

    def predict(self, x: Inputs) -> np.ndarray:
        return in_batches(lambda batch: self.ready(batch)()[0], x, self.batch)

    def ready(self, x: Inputs) -> Callable[[], Any]:
        check_batch(self.batch, x)
        arrays = by_name(x, [each.name for each in self._inputs])
        feed = {
            each.name: array.astype(_DTYPES.get(each.type, array.dtype))
            for each, array in zip(self._inputs, arrays, strict=True)
        }
        return lambda: self._session.run([self._output], feed)
