from __future__ import annotations

import numpy as np

from secateur.importance.inputs import input_squares
from secateur.importance.run import Run


def wanda(run: Run) -> dict[str, np.ndarray]:
    """|w| ‖x‖₂, with x the weight's input feature over all examples and positions.

    The paper compares the weights of one output with each other, and so does allocation auto, which
    is `output` here; with `uniform` those of a layer are compared. An
    Embedding's rows count by how often they are looked up.

    Source: Sun et al. 2023, "A simple and effective pruning approach for large language models",
    eq. 1.
    """
    squares = input_squares(run)
    return {
        w.path: np.abs(run.value(w)) * np.sqrt(squares[w.path])
        for w in run.weights
        if w.path in squares
    }
