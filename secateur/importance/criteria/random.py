from __future__ import annotations

import hashlib

import numpy as np

from secateur.importance.run import Run


def random(run: Run) -> dict[str, np.ndarray]:
    """Uniform on [0, 1): the baseline that every other criterion has to beat.

    The numbers of a weight depend on the seed and the weight's path alone.
    """
    scores = {}
    for weight in run.weights:
        words = np.frombuffer(hashlib.sha256(weight.path.encode()).digest(), dtype=np.uint32)
        generator = np.random.default_rng([run.seed, *words.tolist()])
        scores[weight.path] = generator.random(tuple(weight.variable.shape), dtype=np.float32)
    return scores
