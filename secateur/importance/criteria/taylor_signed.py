from __future__ import annotations

import numpy as np

from secateur.importance.gradients.engine import signed_sums
from secateur.importance.run import Run


def taylor_signed(run: Run) -> dict[str, np.ndarray]:
    """(Σ_i w ∂L_i/∂w)², the squared first-order change of the summed loss.

    Source: Molchanov et al. 2019, "Importance estimation for neural network pruning", eq. 8.
    """
    sums = signed_sums(run)
    return {w.path: np.square(run.value(w) * sums[w.path]) for w in run.weights}
