"""Files of models in the runtimes that they are made for, all behind one small interface."""

from __future__ import annotations

from pathlib import Path

from secateur.evaluation.runtimes.runner import Runner


def open_model(path: Path, threads: int | None = None) -> Runner:
    """Loads a model file in its own runtime.

    Args:
        path: A `.keras`, `.tflite` or `.onnx` file, or the folder of a SavedModel.
        threads: How many threads LiteRT and ONNX Runtime may use; None for all cores. Keras and
            SavedModel share TensorFlow's threads, whose number is fixed when it starts.

    Raises:
        ValueError: One sentence: another kind of file, one that its runtime cannot load, or a
            model of several inputs or outputs.
        MissingRuntimeError: The runtime is not installed.
    """
    if path.suffix == ".tflite":
        from secateur.evaluation.runtimes.litert import LiteRT

        return LiteRT(path, threads)
    if path.suffix == ".onnx":
        from secateur.evaluation.runtimes.onnx import Onnx

        return Onnx(path, threads)
    if path.suffix == ".keras":
        from secateur.evaluation.runtimes.keras import Keras
        from secateur.models.files import load_model

        return Keras(load_model(path))
    if path.is_dir():
        from secateur.evaluation.runtimes.saved_model import SavedModel

        return SavedModel(path)
    raise ValueError(
        f"The model file is {str(path)!r}; allowed are .keras, .tflite and .onnx files and the "
        "folder of a SavedModel."
    )


__all__ = ["Runner", "open_model"]
