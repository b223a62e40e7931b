"""How long a cut model takes, beside the model that it was cut from."""

from __future__ import annotations

import keras
import numpy as np

from secateur.evaluation.latency import compare
from secateur.evaluation.litert import Runner, convert, input_structure


class LiteRTLatency:
    """Model -> milliseconds of one example in LiteRT on one thread: the measure "latency".

    A cut model and the original run by turns, and the ratio of their medians counts: what else the
    machine does slows both down. Inputs are zeros, on which dense kernels are as slow as on
    anything else.

    Args:
        model: The model that is cut, built and Functional or Sequential.

    Attributes:
        whole: Milliseconds of the original.

    Raises:
        ValueError: If the model cannot be converted to LiteRT, or a size of its input is open.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        for x in keras.tree.flatten(input_structure(model)):
            if None in x.shape[1:]:
                raise ValueError(
                    f"The latency of '{model.name}' cannot be measured: its input '{x.name}' has "
                    f"the shape {tuple(x.shape)}, in which a size is open; use measure flops."
                )
        self._runner = _runner(model)
        self.whole = compare({"whole": self._runner.invoke})["whole"].median

    def __call__(self, model: keras.Model) -> float:
        if model is self._model:
            return self.whole
        found = compare({"whole": self._runner.invoke, "cut": _runner(model).invoke})
        return self.whole * found["cut"].median / found["whole"].median


def _runner(model: keras.Model) -> Runner:
    runner = Runner(convert(model))
    inputs = keras.tree.flatten(input_structure(model))
    runner([np.zeros((1, *x.shape[1:]), x.dtype) for x in inputs])
    return runner
