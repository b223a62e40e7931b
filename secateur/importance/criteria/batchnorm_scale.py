from __future__ import annotations

import keras
import numpy as np

from secateur.importance.activations import Activations
from secateur.importance.run import Run


def batchnorm_scale(run: Run) -> dict[str, np.ndarray]:
    """|γ| of the BatchNormalization right behind the layer: what scales each of its channels.

    Layers without one are not scored, and a notice names them. Nothing is read of the data but
    the shape of an input; without data a zero input is made up from the model's own shapes.

    Source: Liu et al. 2017, "Learning efficient convolutional networks through network slimming".
    """
    scores: dict[str, np.ndarray] = {}
    for weight, behind in Activations(run).ends(run.sample()):
        for call in behind:
            if isinstance(call.layer, keras.layers.BatchNormalization) and call.layer.scale:
                gamma = np.abs(keras.ops.convert_to_numpy(call.layer.gamma.value))
                gamma = gamma.astype(np.float32)
                # A layer with several normalisations behind it is worth its best one.
                scores[weight.path] = np.maximum(scores.get(weight.path, gamma), gamma)
    missing = sorted({w.layer_path for w in run.weights if w.path not in scores})
    if missing:
        run.note(
            f"There is no BatchNormalization with a scale behind {', '.join(missing)}: not scored."
        )
    return scores
