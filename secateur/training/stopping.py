"""Ending a training before its last epoch."""

from __future__ import annotations

import keras


class StopAfter(keras.callbacks.Callback):
    """Ends a training after a number of epochs, though its schedules are those of more.

    Args:
        epochs: Epochs from the very beginning, those before a restart included.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 >= self._epochs:
            self.model.stop_training = True
