"""A dense model's latency in Keras, in a process as a user starts it.

    python -m benchmarks.latency_peer MODEL.keras

Imports Keras and nothing of this package. Reads a line from standard input before each turn, and
prints, as JSON, the milliseconds of a call of `predict_on_batch` and of a compiled `tf.function`,
by the number of examples of a call.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

BATCHES = (1, 32)
SECONDS = 0.15
"""Of a turn of one way and one size."""


def median(call: Callable[[], object]) -> float:
    """Milliseconds of a call, of those of a turn."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def main() -> None:
    model = keras.models.load_model(sys.argv[1], compile=False)
    shape = model.inputs[0].shape[1:]
    forward = tf.function(lambda x: model(x, training=False))
    calls: dict[str, dict[int, Callable[[], object]]] = {"predict_on_batch": {}, "tf.function": {}}
    for batch in BATCHES:
        x = np.random.default_rng(0).random((batch, *shape), dtype=np.float32)
        run, tensor = forward.get_concrete_function(tf.TensorSpec(x.shape, x.dtype)), tf.constant(x)
        calls["predict_on_batch"][batch] = lambda x=x: model.predict_on_batch(x)
        calls["tf.function"][batch] = lambda run=run, tensor=tensor: run(tensor)
    for some in calls.values():
        for call in some.values():
            median(call)  # traces, and warms up
    for _ in sys.stdin:
        found = {way: {b: median(call) for b, call in some.items()} for way, some in calls.items()}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
