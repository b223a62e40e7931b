"""Histories of training -> logs that TensorBoard shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from secateur.report.histories import History

_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)


def write_events(histories: Mapping[str, History], folder: Path) -> None:
    """Writes the scalars of each training, an epoch a step, named as Keras's own callback does.

    TensorFlow's writer alone is needed, not the package `tensorboard`.

    Args:
        histories: Name of a training, such as `fine_tune` -> metric -> a value for each epoch;
            metrics on the validation split begin with `val_`.
        folder: Gets the folders `<training>/train` and `<training>/validation`.
    """
    for training, history in histories.items():
        for split, metrics in _by_split(history).items():
            writer = tf.summary.create_file_writer(str(folder / training / split))
            with writer.as_default():
                for name, values in metrics.items():
                    for epoch, value in enumerate(values):
                        scalar = tf.constant(value, tf.float32)
                        tf.summary.write(f"epoch_{name}", scalar, epoch, _SCALAR)
            writer.close()


def _by_split(history: History) -> dict[str, dict[str, Sequence[float]]]:
    found: dict[str, dict[str, Sequence[float]]] = {}
    for name, values in history.items():
        split = "validation" if name.startswith("val_") else "train"
        found.setdefault(split, {})[name.removeprefix("val_")] = values
    return found
