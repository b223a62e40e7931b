"""What goes along with a training: callbacks whose state belongs to its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np


@runtime_checkable
class Companion(Protocol):
    """A Keras callback that a killed training has to bring back; see `fit`.

    What it does at each step or epoch has to follow from the model, its optimizer and this state
    alone, so that a training that goes on ends at the same bits.
    """

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint has to keep beside the model and its optimizer: plain arrays."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a `state`; the weights of the model and its optimizer are in place."""
        ...


def states(callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, np.ndarray]:
    """The states of those callbacks that are companions, each under a prefix of its own."""
    return {
        f"{prefix}{name}": array
        for prefix, companion in _companions(callbacks)
        for name, array in companion.state().items()
    }


def restore(callbacks: Sequence[keras.callbacks.Callback], state: Mapping[str, np.ndarray]) -> None:
    """Gives each companion what is its own of the `states` of the same callbacks."""
    for prefix, companion in _companions(callbacks):
        own = {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}
        companion.restore(own)


def _companions(callbacks: Sequence[Any]) -> list[tuple[str, Companion]]:
    found = enumerate(callbacks)
    return [(f"{i}.{type(c).__name__}/", c) for i, c in found if isinstance(c, Companion)]
