from __future__ import annotations

import numpy as np

from secateur.importance.gradients.engine import per_example_sums
from secateur.importance.run import Run


def fisher(run: Run) -> dict[str, np.ndarray]:
    """w² Σ_i (∂L_i/∂w)², the saliency of Optimal Brain Damage with the diagonal of the empirical
    Fisher information for the Hessian (its factor ½, the same for all weights, left out).

    Source: LeCun et al. 1989, "Optimal brain damage", eq. 5; Theis et al. 2018, "Faster gaze
    prediction with dense networks and Fisher pruning", eq. 11.
    """
    sums = per_example_sums(run, power=2)
    return {w.path: np.square(run.value(w)) * sums[w.path] for w in run.weights}
