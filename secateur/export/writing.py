"""One model, written in one format."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from secateur.evaluation.runtimes.litert import LiteRT
from secateur.evaluation.runtimes.onnx import Onnx
from secateur.evaluation.runtimes.runner import Inputs
from secateur.export.config import Format
from secateur.export.litert import convert, weight_bytes
from secateur.export.quantization import Quantization
from secateur.models.files import save_model
from secateur.models.weights import prunable_weights
from secateur.silence import no_standard_error

FILES: dict[Format, str] = {
    "keras": "model.keras",
    "litert": "model.tflite",
    "onnx": "model.onnx",
    "saved_model": "saved_model",
}
"""Name of each format's file, or folder, in the output folder."""

_PROTOBUF = (1 << 31) - 1  # bytes of a message at most, which an ONNX file is
_WORTH_A_TRY = 0.3  # share of zeros; LiteRT's own encoding starts to win above a half


class Written(NamedTuple):
    """A file that was written.

    Attributes:
        name: The format, and how it is quantized.
        path: The file or folder.
        quantized: Whether its numbers are smaller than 32 bits.
        sparse: Whether it is in LiteRT's sparse encoding.
        notices: What a user should know of it.
    """

    name: str
    path: Path
    quantized: bool = False
    sparse: bool = False
    notices: tuple[str, ...] = ()


def write(model: keras.Model, format: Format, folder: Path) -> Written:
    """Writes a model as float32.

    Args:
        model: A built model.
        format: Which format.
        folder: An existing folder.

    Raises:
        ValueError: One sentence: the format cannot hold the model.
    """
    path = folder / FILES[format]
    if format == "litert":
        return write_litert(model, path)
    if format == "keras":
        save_model(model, path)
    elif format == "onnx":
        _write_onnx(model, path)
    else:
        _export(model, path, "tf_saved_model")
    return Written(format, path)


def write_litert(
    model: keras.Model,
    path: Path,
    quantize: Quantization | None = None,
    examples: Inputs | None = None,
) -> Written:
    """Writes a LiteRT file, in the sparse encoding where that is smaller and can be loaded.

    The runtime refuses the sparse encoding of integer kernels when it prepares the file, so only
    kernels of 32 and 16 bits are tried. A model whose operations need a fixed number of examples,
    such as a recurrent one, becomes a file for one example at a time.

    Args:
        model: A built model.
        path: The `.tflite` file.
        quantize: See `secateur.export.litert.convert`.
        examples: Likewise.

    Raises:
        ValueError: One sentence: LiteRT cannot hold the model.
    """
    notices = []
    batch = None
    try:
        content = convert(model, quantize=quantize, examples=examples)
        LiteRT(content)
    except ValueError:
        batch = 1
        content = convert(model, batch=1, quantize=quantize, examples=examples)
        notices.append(
            f"{path.name} takes one example at a time, because of an operation that LiteRT has "
            "only for a fixed number of examples."
        )
    sparse = None
    if quantize in (None, "float16") and _zeros(model) > _WORTH_A_TRY:
        sparse = _sparse(model, batch, quantize)
    smaller = sparse is not None and len(sparse) < len(content)
    path.write_bytes(sparse if sparse is not None and smaller else content)
    name = f"litert-{quantize}" if quantize else "litert"
    return Written(name, path, quantize is not None, smaller, tuple(notices))


def _sparse(model: keras.Model, batch: int | None, quantize: Quantization | None) -> bytes | None:
    """The file in the sparse encoding, if the runtime can load it."""
    try:
        content = convert(model, batch=batch, quantize=quantize, sparse=True)
        LiteRT(content)
    except ValueError:
        return None
    return content


def _zeros(model: keras.Model) -> float:
    """Share of zeros among the prunable weights."""
    values = [keras.ops.convert_to_numpy(w.variable.value) for w in prunable_weights(model)]
    size = sum(value.size for value in values)
    return 1 - sum(np.count_nonzero(value) for value in values) / size if size else 0.0


def _write_onnx(model: keras.Model, path: Path) -> None:
    size = sum(weight_bytes(weight) for weight in model.weights)
    if size > _PROTOBUF:
        raise ValueError(
            f"The model's weights take {size:,} bytes, and an ONNX file holds at most "
            f"{_PROTOBUF:,}; export it as saved_model, or prune its structure (target.pattern "
            "channel)."
        )
    # Keras exports only what was called; a Sequential has no `input` before that.
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    model(
        keras.tree.map_structure(
            lambda x: keras.ops.zeros([size or 1 for size in x.shape], x.dtype), inputs
        )
    )
    _export(model, path, "onnx")
    try:
        Onnx(path)
    except ValueError as error:  # tf2onnx writes operations that ONNX does not have as they are
        path.unlink()
        raise ValueError(
            f"{error} Leave onnx out of export.formats, or build the model of other layers."
        ) from error


def _export(model: keras.Model, path: Path, format: str) -> None:
    try:
        with no_standard_error(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.export(path, format=format, verbose=False)
    except Exception as error:  # whatever the converters raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(
            f"The model cannot be exported as {format}: {first}; leave it out of export.formats."
        ) from error
