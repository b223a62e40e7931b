"""Which layer of a model an exported file gets wrong, found by exporting its first layers alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import nodes_in_order
from secateur.evaluation.runtimes import open_model
from secateur.evaluation.runtimes.keras import Keras
from secateur.export.checking import largest_difference, limit
from secateur.proof.record import ProofError


def first_wrong_layer(
    model: keras.Model, write: Callable[[keras.Model, Path], Any], file: str, x: Any
) -> str | None:
    """The first layer whose output the file's runtime computes otherwise, by bisection.

    Args:
        model: The model whose file is wrong.
        write: Writes a model into a folder, and gives what has its `path`.
        file: Name of the file, for errors.
        x: Examples.

    Returns:
        Name of the layer; None of a model that is no graph, or where no part of it shows it.
    """
    graph = model._functional if isinstance(model, keras.Sequential) else model
    if not hasattr(graph, "_nodes_by_depth"):
        return None
    nodes = [node for node in nodes_in_order(graph) if len(node.outputs) == 1]
    right, wrong = -1, len(nodes)
    while wrong - right > 1:
        middle = (right + wrong) // 2
        found = _differs(graph, nodes[middle].outputs[0], write, file, x)
        if found is None:  # a part that cannot be exported shows nothing
            del nodes[middle]
            wrong -= 1
        elif found:
            wrong = middle
        else:
            right = middle
    return nodes[wrong].operation.name if wrong < len(nodes) else None


def _differs(
    graph: Any, tensor: Any, write: Callable[[keras.Model, Path], Any], file: str, x: Any
) -> bool | None:
    part = keras.Model(graph._inputs_struct, tensor)
    with tempfile.TemporaryDirectory() as folder:
        try:
            ours = open_model(write(part, Path(folder)).path).predict(x)
            theirs = Keras(part).predict(x)
        except Exception:  # whatever converters and runtimes raise at a part of a model
            return None
    try:
        return largest_difference(file, ours, np.asarray(theirs)) > limit(theirs)
    except ProofError:
        return True
