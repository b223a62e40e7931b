from __future__ import annotations

import numpy as np

from secateur.importance.gradients.engine import per_example_sums
from secateur.importance.run import Run


def taylor(run: Run) -> dict[str, np.ndarray]:
    """Σ_i |w ∂L_i/∂w|, the first-order change of each example's loss when the weight goes.

    Source: Molchanov et al. 2017, "Pruning convolutional neural networks for resource efficient
    inference", eq. 7, for single weights and with the absolute value inside the sum.
    """
    sums = per_example_sums(run, power=1)
    return {w.path: np.abs(run.value(w)) * sums[w.path] for w in run.weights}
