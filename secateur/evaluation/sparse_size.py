"""How many bytes a model's weights would take in the two usual sparse formats."""

from __future__ import annotations

import keras
import numpy as np

from secateur.evaluation.schema import FileSize
from secateur.evaluation.size import size_of
from secateur.models.weights import prunable_weights, weight_paths


def sparse_sizes(model: keras.Model) -> dict[str, FileSize]:
    """Bytes of all weights with the prunable ones in a sparse format, and the rest as it is.

    - `csr`: a kernel as a matrix of its last axis, each row the values that are not zero, their
      columns (16 bits up to 65,536 columns, else 32), and where each row begins (32 bits).
    - `bitmap`: one bit a weight that says whether it is zero, and the values that are not.

    Both are really encoded, so that they can be compressed like a file.

    Args:
        model: A built model.
    """
    prunable = {id(weight.variable) for weight in prunable_weights(model)}
    parts: dict[str, list[bytes]] = {"csr": [], "bitmap": []}
    for _, variable in weight_paths(model):
        value = keras.ops.convert_to_numpy(variable.value)
        if id(variable) in prunable:
            parts["csr"].extend(_csr(value))
            parts["bitmap"].extend(_bitmap(value))
        else:
            for part in parts.values():
                part.append(value.tobytes())
    return {name: size_of(part) for name, part in parts.items()}


def _csr(value: np.ndarray) -> list[bytes]:
    matrix = value.reshape(-1, value.shape[-1])
    rows, columns = np.nonzero(matrix)
    begins = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.uint32)
    narrow = np.uint16 if matrix.shape[1] <= 1 << 16 else np.uint32
    return [begins.tobytes(), columns.astype(narrow).tobytes(), matrix[rows, columns].tobytes()]


def _bitmap(value: np.ndarray) -> list[bytes]:
    kept = value.ravel() != 0
    return [np.packbits(kept).tobytes(), value.ravel()[kept].tobytes()]
