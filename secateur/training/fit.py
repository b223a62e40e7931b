"""Fitting a model: the loop that `train` and `fine_tune` share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training.batches import ordered, shuffled
from secateur.training.checkpoint import Checkpoint
from secateur.training.objective import compile_for

if TYPE_CHECKING:
    from secateur.sparsity.gradual import GradualPruning

Progress = Callable[[float, dict[str, float]], None]
"""Called as training goes on, with the epochs done (a fraction inside one) and the metrics."""

_WORK_PER_EXECUTION = 1e9  # weights x examples: about half a second on one core


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; trying again gives the same."""


def fit(
    model: keras.Model,
    train: Split,
    validation: Split,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    setting: str = "learning_rate",
    pruning: GradualPruning | None = None,
) -> dict[str, list[float]]:
    """Trains `model` in place with Adam, and goes on from a checkpoint if there is one.

    The result depends on the arguments and the machine alone: batches are ordered by `seed` and
    the epoch, and a training that was killed and goes on ends at the same bits.

    Args:
        model: A built model; it is compiled anew.
        train: Training examples, not empty.
        validation: Watched after each epoch; can be empty.
        epochs: Passes over `train`; with 0 the model is only compiled.
        batch_size: Examples a step.
        learning_rate: Adam's.
        seed: Orders the batches.
        checkpoints: A folder that survives a kill; None to keep no checkpoints.
        progress: Told how far training is, every half a second or so.
        setting: What the user calls the learning rate, for the message of a divergence.
        pruning: Prunes along the way; its `with` block has been entered.

    Returns:
        History: `loss`, `accuracy`, `val_loss` …, one value for each epoch.

    Raises:
        DivergedError: The loss is NaN or infinite; one sentence with the epoch and what to change.
    """
    steps = math.ceil(len(train) / batch_size)
    per_execution = int(_WORK_PER_EXECUTION // (model.count_params() * batch_size + 1))
    compile_for(model, learning_rate, max(1, min(64, steps, per_execution)))
    model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(checkpoints) if checkpoints else None
    done, history, beside = checkpoint.restore(model) if checkpoint else (0, {}, {})
    if pruning and done:
        pruning.restore(beside)
    epoch = tf.Variable(done, dtype=tf.int32)
    said = f"{setting} ({learning_rate:g})"
    watch = _Watch(epoch, steps, history, checkpoint, pruning, progress, said)
    if done < epochs:
        model.fit(
            shuffled(train, batch_size, seed, epoch),
            validation_data=ordered(validation, 1024) if len(validation) else None,
            initial_epoch=done,
            epochs=epochs,
            shuffle=False,  # `shuffled` does it
            verbose=0,
            callbacks=[*([pruning] if pruning else []), watch],
        )
    return history


class _Watch(keras.callbacks.Callback):
    """Sets the epoch that orders the batches, keeps the history, and saves after each epoch."""

    def __init__(self, epoch, steps, history, checkpoint, pruning, progress, setting):
        super().__init__()
        self._epoch, self._steps, self._setting = epoch, steps, setting
        self._history, self._checkpoint, self._pruning = history, checkpoint, pruning
        self._progress = progress or (lambda *_: None)
        self._number = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._number = epoch
        self._epoch.assign(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self._refuse_nan(logs or {})
        self._progress(self._number + min(1.0, (batch + 1) / self._steps), dict(logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in (logs or {}).items()}
        self._refuse_nan(values)
        for name, value in values.items():
            self._history.setdefault(name, []).append(value)
        if self._checkpoint:
            beside = self._pruning.state() if self._pruning else None
            self._checkpoint.save(self.model, epoch + 1, self._history, beside)
        self._progress(epoch + 1.0, values)

    def _refuse_nan(self, logs):
        for name, shown in (("loss", "loss"), ("val_loss", "validation loss")):
            loss = float(logs.get(name, 0.0))
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The {shown} became {loss} in epoch {self._number + 1}; lower "
                    f"{self._setting}, or look for values that are not finite in the data."
                )
