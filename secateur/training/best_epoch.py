"""The best epoch by the validation split: its weights, and stopping when none better comes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from secateur.training import companion


class BestEpoch(keras.callbacks.Callback):
    """Remembers the best epoch, and ends a training that gets no better.

    An epoch is better than another if its validation metric is, or if that is the same and its
    validation loss is lower. Epochs in which a companion says that it is not `settled`, as where
    less is pruned than in the end, do not count.

    Unlike `keras.callbacks.EarlyStopping` it is a companion (see `fit`), so that a killed training
    knows its best epoch; and with the best weights come the states that the other companions, such
    as masks, had beside them.

    Args:
        model: The model whose weights are kept.
        metric: The metric to go by, such as `accuracy`; None to go by the loss.
        higher: Whether a higher metric is a better one.
        patience: Epochs without a better one after which training ends; None to go on.
        keep: Whether the weights of the best epoch are kept, for `put_back`.
        others: The other companions.
    """

    def __init__(
        self,
        model: keras.Model,
        metric: str | None = None,
        *,
        higher: bool = True,
        patience: int | None = None,
        keep: bool = True,
        others: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        super().__init__()
        self._kept_of, self._metric, self._sign = model, metric, 1 if higher else -1
        self._patience, self._keep, self._others = patience, keep, others
        self._best: tuple[float, float] | None = None
        self._waited = 0
        self._weights: dict[str, np.ndarray] = {}
        self._beside: dict[str, np.ndarray] = {}

    @property
    def stopped(self) -> bool:
        """Whether training has gone on for `patience` epochs without a better one."""
        return self._patience is not None and self._waited >= self._patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not all(getattr(other, "settled", True) for other in self._others):
            return
        values = logs or {}
        loss = -float(values["val_loss"])
        metric = self._sign * float(values[f"val_{self._metric}"]) if self._metric else loss
        self._waited += 1
        if self._best is None or (metric, loss) > self._best:
            self._best, self._waited = (metric, loss), 0
            if self._keep:
                weights = enumerate(self._kept_of.weights)
                self._weights = {str(i): np.array(w) for i, w in weights}
                self._beside = companion.states(self._others)
        if self.stopped:
            self.model.stop_training = True

    def put_back(self) -> None:
        """Gives the model the weights of the best epoch, and the companions their states."""
        if self._weights:
            for number, weight in enumerate(self._kept_of.weights):
                weight.assign(self._weights[str(number)])
            companion.restore(self._others, self._beside)

    def state(self) -> dict[str, np.ndarray]:
        """See `Companion`."""
        about = {"best": self._best, "waited": self._waited}
        state = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        state |= {f"weight/{name}": array for name, array in self._weights.items()}
        return state | {f"beside/{name}": array for name, array in self._beside.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Companion`."""
        if not state:  # of epochs in which nobody asked for the best one
            return
        about = json.loads(bytes(state["about"]))
        self._best = tuple(about["best"]) if about["best"] else None
        self._waited = about["waited"]
        self._weights = _under("weight/", state)
        self._beside = _under("beside/", state)


def _under(prefix: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}
