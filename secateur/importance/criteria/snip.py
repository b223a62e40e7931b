from __future__ import annotations

import numpy as np

from secateur.importance.gradients.engine import signed_sums
from secateur.importance.run import Run


def snip(run: Run) -> dict[str, np.ndarray]:
    """|w Σ_i ∂L_i/∂w| / Σ of the same over all weights: connection sensitivity, adding up to 1.

    Source: Lee et al. 2019, "SNIP: single-shot network pruning based on connection sensitivity",
    eq. 4 and 6. Meant for networks at their initialization; it runs on any.
    """
    sums = signed_sums(run)
    raw = {w.path: np.abs(run.value(w) * sums[w.path]) for w in run.weights}
    total = sum(float(scores.sum(dtype=np.float64)) for scores in raw.values())
    return {path: scores / total if total else scores for path, scores in raw.items()}
