"""The loss of each example by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import set_keras_mask
from keras.src.trainers.compile_utils import get_loss

ExampleLoss = Callable[[Any, Any, Any], tf.Tensor]


def compiled_loss(model: keras.Model, loss: Any = None) -> tuple[Any, Any]:
    """The loss to take, and the weights of the outputs in it, None for 1 each.

    Args:
        model: The model.
        loss: A loss that was given; None for the one that the model was compiled with, and its
            `loss_weights`.

    Raises:
        ValueError: There is none.
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
    return loss, weights


def example_losses(model: keras.Model, loss: Any = None) -> ExampleLoss:
    """A function (labels, predictions, sample weights or None) -> L_i, float, shape (batch,).

    L_i is what Keras gives for a batch that holds example i alone: the loss's own reduction over
    what is left (the positions of a sequence, the pixels of an image), the mask that the model
    attaches to its output and the one that the loss makes (`ignore_class`), sample weights of any
    shape that fits. Of a loss without a reduction the positions are added up, as `fit` does when
    it differentiates. The losses of several outputs are weighted as the model was compiled and
    added up. Terms that are not part of the loss function (weight regularisers, `add_loss`) are
    left out: they say nothing about the data.

    Args:
        model: The model that makes the predictions.
        loss: A Keras loss: name, function or object; for several outputs a list or dict of them.
            None takes the loss the model was compiled with.

    Raises:
        ValueError: There is no loss, or it does not fit the outputs.
    """
    given, weights = compiled_loss(model, loss)
    names = list(getattr(model, "output_names", None) or [])

    def losses(labels: Any, predictions: Any, sample_weights: Any = None) -> tf.Tensor:
        total = _total(given, weights, labels, predictions, sample_weights, names)
        if total is None:
            raise ValueError("None of the model's outputs has a loss; give at least one.")
        return total

    return losses


def _total(
    loss: Any, factor: Any, labels: Any, predictions: Any, weights: Any, names: list[str]
) -> tf.Tensor | None:
    """The losses of an output, or of a structure of outputs; None where there is no loss."""
    if loss is None:
        return None
    outputs, keys = _flatten(predictions, names)
    parts = zip(
        outputs,
        _align(labels, outputs, keys, "labels", repeat=False),
        _align(loss, outputs, keys, "losses", repeat=True),
        _align(factor, outputs, keys, "weights of the losses", repeat=True),
        _align(weights, outputs, keys, "sample weights", repeat=True),
        strict=True,
    )
    total: tf.Tensor | None = None
    for output, target, part, share, own in parts:
        if isinstance(output, Mapping | list | tuple):
            value = _total(part, share, target, output, own, [])
        else:
            value = None if part is None else _one_output(part, target, output, own)
            if value is not None and share is not None:
                value = value * share
        if value is not None:
            total = value if total is None else total + value
    return total


def _one_output(loss: Any, labels: Any, predictions: tf.Tensor, weights: Any) -> tf.Tensor:
    mask = _mask_of(predictions)
    labels = tf.convert_to_tensor(labels)
    loss = get_loss(loss, labels, predictions)
    predictions = tf.cast(predictions, loss.dtype)
    labels = tf.cast(labels, loss.dtype)
    weights = None if weights is None else tf.cast(tf.convert_to_tensor(weights), loss.dtype)
    values = loss.call(labels, predictions)
    if not len(values.shape) or _differ(values.shape[0], predictions.shape[0]):
        # The loss couples the examples of a batch (such as Dice): one at a time.
        return _one_by_one(loss, labels, predictions, weights, mask)
    made = _mask_of(values)  # by `ignore_class`
    if mask is not None and made is not None:
        made = tf.cast(mask, bool) & tf.cast(made, bool)
    return _reduced(tf.cast(values, loss.dtype), weights, mask if made is None else made, loss)


def _reduced(values: tf.Tensor, weights: Any, mask: Any, loss: keras.losses.Loss) -> tf.Tensor:
    """Reduces what a loss leaves of each example, (batch, ...), to (batch,).

    What `keras.losses.Loss` does with a batch, done with each example.
    """
    averaged = loss.reduction in ("mean", "sum_over_batch_size")
    if mask is not None:
        mask = tf.cast(mask, values.dtype)
        if averaged:
            # What is left out has weight 0, the rest all / valid: the mean is one of the rest.
            valid = _sum(mask, keepdims=True)
            mask *= tf.math.divide_no_nan(_count(mask), valid)
        weights = mask if weights is None else tf.multiply(*_aligned(mask, weights))
    if weights is not None:
        values, weights = _aligned(values, weights)
        values *= weights
    total = _sum(values)
    if averaged or (loss.reduction == "mean_with_sample_weight" and weights is None):
        return total / _count(values)
    if loss.reduction == "mean_with_sample_weight":
        return tf.math.divide_no_nan(total, _sum(weights))
    return total


def _aligned(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Two tensors (batch, ...) brought to the same rank, each example as by itself.

    Where ranks differ by one, a last axis of size 1 is taken away or added, as Keras does; else
    the axes of an example are aligned from the right.
    """
    for first, second in ((a, b), (b, a)):
        if len(first.shape) == len(second.shape) + 1 and first.shape[-1] == 1:
            if len(second.shape) == 1:
                second = second[:, None]
            else:
                first = tf.squeeze(first, -1)
            a, b = (first, second) if len(a.shape) > len(b.shape) else (second, first)
            break
    rank = max(len(a.shape), len(b.shape))

    def padded(value: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(value)
        ones = tf.ones([rank - len(value.shape)], shape.dtype)
        return tf.reshape(value, tf.concat([shape[:1], ones, shape[1:]], 0))

    return padded(a), padded(b)


def _one_by_one(
    loss: keras.losses.Loss, labels: Any, predictions: Any, weights: Any, mask: Any
) -> tf.Tensor:
    """Has Keras compute each batch of one."""

    def one(parts: dict[str, tf.Tensor]) -> tf.Tensor:
        alone = {name: part[None] for name, part in parts.items()}
        if "mask" in alone:
            set_keras_mask(alone["predictions"], alone["mask"])
        value = loss(alone["labels"], alone["predictions"], alone.get("weights"))
        return tf.reduce_sum(value)

    given = {"labels": labels, "predictions": predictions, "weights": weights, "mask": mask}
    present = {name: part for name, part in given.items() if part is not None}
    return tf.map_fn(one, present, fn_output_signature=tf.as_dtype(loss.dtype))


def _mask_of(value: Any) -> Any:
    return getattr(value, "_keras_mask", None)


def _sum(values: tf.Tensor, *, keepdims: bool = False) -> tf.Tensor:
    return tf.reduce_sum(values, list(range(1, len(values.shape))), keepdims=keepdims)


def _count(values: tf.Tensor) -> tf.Tensor:
    """Positions of each example."""
    return tf.cast(tf.reduce_prod(tf.shape(values)[1:]), values.dtype)


def _differ(a: int | None, b: int | None) -> bool:
    return a is not None and b is not None and a != b


def _flatten(tree: Any, names: list[str]) -> tuple[list[Any], list[Any]]:
    """The parts of the model's output, and a key for each; those of a dict sorted, as in Keras."""
    if isinstance(tree, Mapping):
        keys = sorted(tree)
        return [tree[key] for key in keys], keys
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
