"""The latency of Keras models as LiteRT files, for whoever chooses between models."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from secateur.evaluation.latency import Name, compare
from secateur.evaluation.runtimes.litert import LiteRT
from secateur.evaluation.schema import Latency
from secateur.export.litert import convert


def litert_latency(
    models: Mapping[Name, keras.Model],
    *,
    threads: int | None = 1,
    seconds: float | None = None,
    seed: int = 0,
) -> dict[Name, Latency]:
    """Milliseconds of one example in LiteRT (float32), for models that take turns.

    Args:
        models: Built models of one input, by name. Give the models to compare in one call: what
            else the machine does then slows all of them.
        threads: How many threads XNNPACK may use; None for all cores.
        seconds: How long to go on; see `latency.compare`.
        seed: Of the random inputs.

    Raises:
        ValueError: One sentence: LiteRT cannot hold a model.
        MissingRuntimeError: `ai-edge-litert` is not installed.
    """
    rng = np.random.default_rng(seed)
    runners = {name: LiteRT(convert(model, batch=1), threads) for name, model in models.items()}
    calls = {}
    for name, model in models.items():
        shape = (1, *model.inputs[0].shape[1:])
        calls[name] = runners[name].ready(rng.random(shape, dtype=np.float32))
    return compare(calls, seconds)
