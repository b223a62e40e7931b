"""LiteRT files in the interpreter of the package `ai-edge-litert` (XNNPACK on a CPU)."""

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
from secateur.silence import no_standard_error


class LiteRT:
    """A `.tflite` file.

    Args:
        model: The file, or its content.
        threads: How many threads XNNPACK may use; None for all cores.

    Raises:
        ValueError: One sentence: the runtime cannot load it.
        MissingRuntimeError: `ai-edge-litert` is not installed.
    """

    def __init__(self, model: Path | bytes, threads: int | None = None) -> None:
        check_installed("litert")
        from ai_edge_litert.interpreter import Interpreter

        given = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
        name = "(in memory)" if isinstance(model, bytes) else model
        try:
            with no_standard_error():  # it tells of its delegates there
                self._interpreter = Interpreter(**given, num_threads=threads or cores())
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ValueError(f"LiteRT cannot load {str(name)!r}: {first}.") from error
        self._inputs = self._interpreter.get_input_details()
        self._output = only_output(self._interpreter.get_output_details(), name)
        first_sizes = {int(detail["shape_signature"][0]) for detail in self._inputs}
        self.batch = None if -1 in first_sizes else max(first_sizes)

    def predict(self, x: Inputs) -> np.ndarray:
        return in_batches(self._run, x, self.batch)

    def ready(self, x: Inputs) -> Callable[[], Any]:
        check_batch(self.batch, x)
        self._set(x)
        return self._interpreter.invoke

    def _run(self, x: Inputs) -> np.ndarray:
        self._set(x)
        self._interpreter.invoke()
        scale, zero = self._output["quantization"]
        y = self._interpreter.get_tensor(self._output["index"])
        return (y.astype(np.float32) - zero) * scale if scale else y

    def _set(self, x: Inputs) -> None:
        arrays = by_name(x, [detail["name"] for detail in self._inputs])
        now = [tuple(detail["shape"]) for detail in self._interpreter.get_input_details()]
        if now != [array.shape for array in arrays]:
            for detail, array in zip(self._inputs, arrays, strict=True):
                self._interpreter.resize_tensor_input(detail["index"], array.shape)
            self._interpreter.allocate_tensors()
        for detail, array in zip(self._inputs, arrays, strict=True):
            self._interpreter.set_tensor(detail["index"], _stored(array, detail))


def _stored(x: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Inputs as the file takes them: of a quantized input, integers."""
    dtype = detail["dtype"]
    scale, zero = detail["quantization"]
    if not scale:
        return x.astype(dtype)
    bounds = np.iinfo(dtype)
    return np.clip(np.round(x / scale) + zero, bounds.min, bounds.max).astype(dtype)
