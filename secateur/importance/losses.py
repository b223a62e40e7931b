"""The loss of each example by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

ExampleLoss = Callable[[Any, Any, Any], tf.Tensor]


def example_losses(model: keras.Model, loss: Any = None) -> ExampleLoss:
    """A function (labels, predictions, sample weights or None) -> L_i, float, shape (batch,).

    L_i is what the loss gives for a batch that holds example i alone, with the loss's own
    reduction over what is left (the positions of a sequence, the pixels of an image) and the mask
    that the model attaches to its output; a loss without a reduction is averaged. The losses of
    several outputs are weighted as the model was compiled and added up. Terms that are not part
    of the loss function (weight regularisers, `add_loss`) are left out: they say nothing about
    the data.

    Args:
        model: The model that makes the predictions.
        loss: A Keras loss: name, function or object; for several outputs a list or dict of them.
            None takes the loss the model was compiled with.

    Raises:
        ValueError: There is no loss, or it does not fit the outputs.
    """
    weights: Any = None
    if loss is None:
        loss = getattr(model, "loss", None)
        weights = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    if loss is None or loss == {} or loss == []:
        raise ValueError(
            "This criterion needs a loss, and the model has none: pass loss=..., such as "
            "loss='mse', or compile the model with one."
        )
    names = list(getattr(model, "output_names", None) or [])

    def losses(labels: Any, predictions: Any, sample_weights: Any = None) -> tf.Tensor:
        total: tf.Tensor | None = None
        outputs, keys = _flatten(predictions, names)
        parts = _align(loss, outputs, keys, "losses", repeat=True)
        targets = _align(labels, outputs, keys, "labels", repeat=False)
        factors = _align(1.0 if weights is None else weights, outputs, keys, "weights", repeat=True)
        for output, target, part, factor in zip(outputs, targets, parts, factors, strict=True):
            if part is None:
                continue
            value = _one_output(_as_loss(part), target, output, sample_weights) * (
                1.0 if factor is None else factor
            )
            total = value if total is None else total + value
        if total is None:
            raise ValueError("None of the model's outputs has a loss; give at least one.")
        return total

    return losses


def _as_loss(loss: Any) -> keras.losses.Loss:
    found = keras.losses.get(loss)
    if isinstance(found, keras.losses.Loss):
        return found
    return _FunctionLoss(found)


class _FunctionLoss(keras.losses.Loss):
    def __init__(self, function: Callable[[Any, Any], Any]):
        super().__init__()
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = tf.expand_dims(y_true, -1)
        elif len(y_true.shape) == len(y_pred.shape) + 1 and y_true.shape[-1] == 1:
            y_true = tf.squeeze(y_true, -1)
        return self._function(y_true, y_pred)


def _one_output(
    loss: keras.losses.Loss, labels: Any, predictions: tf.Tensor, sample_weights: Any
) -> tf.Tensor:
    mask = getattr(predictions, "_keras_mask", None)
    count = tf.shape(predictions)[0]
    dtype = loss.dtype
    predictions = tf.cast(predictions, dtype)
    labels = tf.cast(tf.convert_to_tensor(labels), dtype)
    values = loss.call(labels, predictions)
    if not len(values.shape) or _differ(values.shape[0], predictions.shape[0]):
        # The loss couples the examples of a batch (such as Dice): one at a time.
        values = tf.map_fn(
            lambda pair: tf.reduce_mean(loss.call(pair[0][None], pair[1][None])),
            (labels, predictions),
            fn_output_signature=values.dtype,
        )
    elif len(values.shape) > 1:
        values = _reduce(loss, values, mask)
    elif mask is not None and len(mask.shape) == 1:
        values = values * tf.cast(mask, values.dtype)
    if sample_weights is not None:
        values = values * tf.reshape(tf.cast(sample_weights, values.dtype), [count])
    return values


def _differ(a: int | None, b: int | None) -> bool:
    return a is not None and b is not None and a != b


def _reduce(loss: keras.losses.Loss, values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Reduces what a loss leaves of each example, (batch, ...), to (batch,)."""
    axes = list(range(1, len(values.shape)))
    if mask is not None:
        mask = tf.cast(mask, values.dtype)
        mask = tf.reshape(
            mask, tf.concat([tf.shape(mask), [1] * (len(values.shape) - len(mask.shape))], 0)
        )
        values = values * mask
    if loss.reduction == "sum":
        return tf.reduce_sum(values, axes)
    if mask is None:
        return tf.reduce_mean(values, axes)
    share = tf.reduce_mean(tf.broadcast_to(mask, tf.shape(values)), axes)
    return tf.math.divide_no_nan(tf.reduce_mean(values, axes), share)


def _flatten(tree: Any, names: list[str]) -> tuple[list[Any], list[Any]]:
    """The leaves of the model's output, and a key for each."""
    if isinstance(tree, Mapping):
        return list(tree.values()), list(tree)
    if isinstance(tree, list | tuple):
        return list(tree), names if len(names) == len(tree) else list(range(len(tree)))
    return [tree], names[:1] if len(names) == 1 else [0]


def _align(
    given: Any, outputs: list[Any], keys: list[Any], what: str, *, repeat: bool
) -> list[Any]:
    """One entry of `given` for each output, whether it is a list, a dict or a single one."""
    if isinstance(given, Mapping):
        unknown = [key for key in given if key not in keys]
        if unknown:
            raise ValueError(f"The {what} name {unknown}, but the model's outputs are {keys}.")
        return [given.get(key) for key in keys]
    if isinstance(given, list | tuple):
        if len(given) != len(outputs):
            raise ValueError(
                f"There are {len(given)} {what} for {len(outputs)} outputs of the model."
            )
        return list(given)
    if len(outputs) == 1 or repeat:
        return [given] * len(outputs)
    raise ValueError(f"The model has {len(outputs)} outputs, but the {what} hold one array.")
