"""Sparse optimisation: any Keras optimizer, with a penalty or a limit on how many weights live."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from secateur.training.penalties import Penalized, keep_largest


@dataclass(frozen=True)
class Strength:
    """How strongly a penalty acts: grows in equal steps from near 0, then stays.

    Attributes:
        value: What it grows to, above 0.
        steps: Updates of the weights until then; 0 or 1: it is there at once.
    """

    value: float
    steps: int = 0

    def at(self, iterations: Any) -> tf.Tensor:
        """The strength at an update, counted from 0: `value · min(1, (iterations + 1) / steps)`."""
        done = tf.cast(tf.convert_to_tensor(iterations), tf.float32) + 1.0
        return self.value * tf.minimum(1.0, done / max(1, self.steps))


def regularized(
    optimizer: keras.optimizers.Optimizer, on: Sequence[Penalized], strength: Strength
) -> keras.optimizers.Optimizer:
    """Lets an optimizer minimise loss + strength · Σ R(w), by R's subgradients.

    The same as a term of the loss: it is clipped, accumulated and scaled with the gradients. The
    loss that `fit` tells stays that of the data. Weights become small, not exactly zero.

    Args:
        optimizer: Any Keras optimizer, also behind a LossScaleOptimizer; built or not. It is
            changed in place; saved, it is the plain one.
        on: What is penalized (`penalties.penalized`).
        strength: How strongly.

    Returns:
        The optimizer.
    """
    inner = innermost(optimizer)
    penalties = {id(entry.variable): entry.penalty for entry in on}

    def apply(original: Callable, gradients: Any, variables: Any) -> None:
        # Gradients of several devices are added after this.
        now = strength.at(inner.iterations) / tf.distribute.get_strategy().num_replicas_in_sync
        both = []
        for gradient, variable in zip(gradients, variables, strict=True):
            penalty = penalties.get(id(variable))
            if penalty is not None:
                value = tf.convert_to_tensor(variable.value)
                gradient = tf.convert_to_tensor(gradient)  # of an Embedding it is of rows
                gradient += tf.cast(now, value.dtype) * penalty.gradient(value)
            both.append(gradient)
        original(both, variables)

    _wrap(inner, "_backend_apply_gradients", apply)
    return optimizer


def proximal(
    optimizer: keras.optimizers.Optimizer, on: Sequence[Penalized], strength: Strength
) -> keras.optimizers.Optimizer:
    """Lets an optimizer minimise loss + strength · Σ R(w), with weights that are exactly zero.

    After each update, w ← prox(w, learning rate · strength), with the learning rate of that update
    (proximal gradient: Parikh & Boyd 2014, "Proximal algorithms", 4.2). Adaptive optimizers scale
    the gradient of the loss alone, as with AdamW's decoupled weight decay. Arguments and result as
    for `regularized`. Where `use_ema` puts averages in the place of weights, those of weights that
    are zero are zero.
    """
    penalties = {id(entry.variable): entry.penalty for entry in on}
    inner = innermost(optimizer)

    def step(variables: Sequence[keras.Variable], learning_rate: tf.Tensor) -> None:
        threshold = learning_rate * strength.at(inner.iterations)
        for variable in variables:
            value = tf.convert_to_tensor(variable.value)
            cast = tf.cast(threshold, value.dtype)
            variable.assign(penalties[id(variable)].proximal(value, cast))

    return _after_each_update(optimizer, [entry.variable for entry in on], step)


def hard_thresholded(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable], kept: int
) -> keras.optimizers.Optimizer:
    """Lets an optimizer train with no more than `kept` weights of `variables` that are not zero.

    After each update the largest stay, wherever they are (iterative hard thresholding: Blumensath &
    Davies 2009; Jin et al. 2016 for networks). All weights get gradients, so which ones live
    changes. Averages as in `proximal`.

    Args:
        optimizer: As for `regularized`.
        variables: Weights that share the limit.
        kept: How many of their elements stay, at least 1.

    Raises:
        ValueError: If `kept` is below 1.
    """
    if kept < 1:
        raise ValueError(f"kept is {kept}; at least 1 weight has to stay.")

    def step(updated: Sequence[keras.Variable], _: Any) -> None:
        values = [tf.convert_to_tensor(variable.value) for variable in updated]
        for variable, value in zip(updated, keep_largest(values, kept), strict=True):
            variable.assign(value)

    return _after_each_update(optimizer, variables, step)


def innermost(optimizer: Any) -> Any:
    """The optimizer that does the work, behind the likes of a LossScaleOptimizer."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _after_each_update(
    optimizer: keras.optimizers.Optimizer,
    chosen: Sequence[keras.Variable],
    step: Callable[[Sequence[keras.Variable], tf.Tensor], None],
) -> keras.optimizers.Optimizer:
    """Calls `step` behind each update of the weights, before averages are taken and masks held.

    With accumulated gradients only some of the batches update; a loss scale leaves some out.
    """
    inner, mine = innermost(optimizer), {id(variable) for variable in chosen}

    def update(original: Callable, gradients: Any, variables: Any, learning_rate: Any) -> None:
        rate = tf.cast(tf.convert_to_tensor(learning_rate), tf.float32)
        original(gradients, variables, learning_rate)
        step([v for v in variables if id(v) in mine], rate)

    def overwrite(original: Callable, variables: Any) -> None:
        alive = [(v, tf.not_equal(v.value, 0)) for v in variables if id(v) in mine]
        original(variables)
        for variable, lives in alive:
            value = tf.convert_to_tensor(variable.value)
            variable.assign(tf.where(lives, value, tf.zeros_like(value)))

    _wrap(inner, "_backend_update_step", update)
    _wrap(inner, "_overwrite_model_variables_with_average_value", overwrite)
    return optimizer


def _wrap(optimizer: Any, name: str, function: Callable) -> None:
    """Puts `function(original, …)` in the place of a method of one optimizer."""
    # Behind Keras's tracking, which would take it for a part to save.
    optimizer.__dict__[name] = functools.partial(function, getattr(optimizer, name))
