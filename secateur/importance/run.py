"""What a criterion is given to work with."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.data import Batch, Examples
from secateur.importance.losses import ExampleLoss, example_losses
from secateur.models.weights import PrunableWeight, flat_layers
from secateur.proof.record import Check

logger = logging.getLogger(__name__)

# Stands for an axis of a made-up input whose size the model leaves open.
_UNKNOWN = 64


class Run:
    """One scoring of one model: everything a criterion may look at.

    Attributes:
        model: The model; it is left as it was found.
        weights: The weights to score.
        seed: For criteria that draw.
        batch_size: Examples to run at a time, None if it is for the criterion to choose.
        tolerance: Up to which size a weight counts as zero.
        loss: The loss that was given, None for the one the model was compiled with.
        notices: Sentences for the user; add with `note`.
        checks: What was proved on the model and its data.
    """

    def __init__(
        self,
        model: keras.Model,
        weights: Sequence[PrunableWeight],
        *,
        data: Any = None,
        loss: Any = None,
        examples: int | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        tolerance: float = 0.0,
    ):
        self.model = model
        self.weights = list(weights)
        self.seed = seed
        self.tolerance = tolerance
        self.batch_size = batch_size
        self.notices: list[str] = []
        self.checks: list[Check] = []
        self.loss = loss
        self._losses: ExampleLoss | None = None
        self._examples = None if data is None else Examples(data, limit=examples, seed=seed)

    @property
    def losses(self) -> ExampleLoss:
        """(labels, predictions, sample weights) -> the loss of each example, shape (batch,)."""
        if self._losses is None:
            self._losses = example_losses(self.model, self.loss)
        return self._losses

    @property
    def given_loss(self) -> Any:
        """The loss as it was given, or the one that the model was compiled with."""
        return getattr(self.model, "loss", None) if self.loss is None else self.loss

    def only(self, weights: Sequence[PrunableWeight]) -> Run:
        """The same run for some of the weights."""
        part = copy.copy(self)
        part.weights = list(weights)
        return part

    def batches(self, size: int, *, shuffled: bool = False) -> Iterator[Batch]:
        """Yields the examples, `size` at a time at most.

        Args:
            size: Examples in a batch.
            shuffled: Whether arrays are gone through in an order drawn by the seed; datasets come
                as they are.
        """
        return self._data.batches(size, shuffled=shuffled)

    @property
    def size(self) -> int | None:
        """How many examples there are at most; None if it is not known."""
        return self._data.size

    def first(self, count: int) -> Batch:
        """The first examples, `count` at most."""
        return self._data.first(count)

    def sample(self) -> Batch:
        """One example, or a made-up one of zeros if there are no data."""
        if self._examples is not None:
            return self._examples.first(1)
        inputs = getattr(self.model, "inputs", None)
        if not inputs:
            raise ValueError(
                "The shape of this model's input is not known: pass data=(x, y), one example is "
                "enough."
            )
        zeros = [
            tf.zeros([1, *(_UNKNOWN if n is None else n for n in tensor.shape[1:])], tensor.dtype)
            for tensor in inputs
        ]
        return Batch(zeros[0] if len(zeros) == 1 else zeros, None, None, 1)

    def value(self, weight: PrunableWeight) -> np.ndarray:
        """The weight itself as an array, float32 (float64 where the weight is)."""
        value = keras.ops.convert_to_numpy(weight.variable.value)
        return value.astype(
            np.result_type(np.float32, value.dtype) if value.dtype.kind == "f" else np.float32,
            copy=False,
        )

    def note(self, sentence: str) -> None:
        """Logs a warning, and keeps it for the report."""
        logger.warning(sentence)
        self.notices.append(sentence)

    @property
    def _data(self) -> Examples:
        if self._examples is None:
            raise ValueError("This criterion looks at examples: pass data=(x, y).")
        stateful = [x.name for x in flat_layers(self.model) if getattr(x, "stateful", False)]
        if stateful:
            raise ValueError(
                f"The layer {stateful[0]!r} is stateful: what it gives for an example depends on "
                "those before it, so that none can be looked at by itself; build the model with "
                "stateful=False, or use a criterion that needs no data, such as magnitude."
            )
        return self._examples


@contextlib.contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """Puts back the model's state that a forward pass can change: seeds, recurrent states."""
    before = [
        (variable, keras.ops.convert_to_numpy(variable.value))
        for variable in model.non_trainable_variables
        if _is_state(variable)
    ]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


def _is_state(variable: keras.Variable) -> bool:
    # Weights that are merely frozen are large and do not change in a forward pass.
    return not variable.trainable and not variable.path.endswith(("kernel", "embeddings"))
