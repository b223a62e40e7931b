from __future__ import annotations

import numpy as np

from secateur.importance.run import Run


def magnitude(run: Run) -> dict[str, np.ndarray]:
    """|w|, the size of the weight.

    Source: Han et al. 2015, "Learning both weights and connections for efficient neural networks".
    """
    return {weight.path: np.abs(run.value(weight)) for weight in run.weights}
