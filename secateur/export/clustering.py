"""Weight clustering: each kernel keeps few distinct values, so that its file compresses well.

The codebook of Deep Compression (Han et al., ICLR 2016, section 3), found by k-means for each
kernel, with zero as one more value of it: what was pruned stays pruned.
"""

from __future__ import annotations

import keras
import numpy as np
from sklearn.cluster import KMeans

from secateur.models.weights import prunable_weights

_SAMPLE = 1 << 16  # values that the codebook of a large kernel is found from


def cluster_weights(model: keras.Model, clusters: int, seed: int = 0) -> None:
    """Replaces each prunable weight by the nearest value of its kernel's codebook, in place.

    A weight that is zero stays zero, and no other becomes zero. A kernel of fewer distinct values
    stays as it is.

    Args:
        model: A built model.
        clusters: Distinct values that a kernel keeps beside zero, at least 1.
        seed: Draws the values that the codebook of a large kernel is found from.
    """
    for number, weight in enumerate(prunable_weights(model)):
        value = keras.ops.convert_to_numpy(weight.variable.value)
        kept = value != 0
        chosen = value[kept].astype(np.float64)
        if len(np.unique(chosen)) <= clusters:
            continue
        book = _codebook(chosen, clusters, np.random.default_rng((seed, number)))
        clustered = value.copy()
        clustered[kept] = book[np.searchsorted((book[1:] + book[:-1]) / 2, chosen)]
        weight.variable.assign(clustered)


def _codebook(values: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted centroids, none of them zero; k-means begins evenly spread, as the paper advises."""
    if len(values) > _SAMPLE:
        values = rng.choice(values, _SAMPLE, replace=False)
    begin = np.linspace(values.min(), values.max(), clusters)[:, None]
    fitted = KMeans(clusters, init=begin, n_init=1, max_iter=100).fit(values[:, None])
    book = np.unique(fitted.cluster_centers_)
    return np.where(book == 0, np.finfo(np.float32).tiny, book)
