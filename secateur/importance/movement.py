"""Movement: a criterion that is gathered while the model trains."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.scores import Scores
from secateur.models.weights import left_alone, prunable_weights


class Movement:
    """S = −Σ_t w ∂L/∂w over the steps t of a training: weights that grow are worth more.

    A weight that moves away from zero gains, one that moves towards zero loses, whatever its
    size. Scores are shifted by a constant, the same for all weights, so that the least is zero;
    their order is what counts, and a threshold has no meaning.

    Source: Sanh et al. 2020, "Movement pruning: adaptive sparsity by fine-tuning", eq. 3.

    Example:

        movement = Movement(model)
        with movement.gathering():
            model.fit(x, y)
        scores = movement.finish()

    A training loop of your own calls `observe(gradients, variables)` at each step instead, before
    the step is applied.

    Args:
        model: A built model; for `gathering` a compiled one.
        full_value: (weight path) -> the weight's value where what is removed now has the one it
            had before: with it, removed weights go on gathering movement and can come back (the
            paper's straight-through estimator). None takes the weights as they are.
    """

    def __init__(self, model: keras.Model, full_value: Callable[[str], tf.Tensor] | None = None):
        self._model = model
        self._full_value = full_value
        self._weights = prunable_weights(model)
        with model.distribute_strategy.scope():  # several devices each gather their share
            self._totals = {id(w.variable): _gathered(w.variable.shape) for w in self._weights}
        self._paths = {id(w.variable): w.path for w in self._weights}
        self._observed: set[int] = set()

    def observe(self, gradients: Sequence[Any], variables: Sequence[keras.Variable]) -> None:
        """Adds one step.

        Args:
            gradients: ∂L/∂w for each of `variables`; None where there is none.
            variables: Variables of the model, before the step; those that are not prunable are
                passed over.
        """
        for gradient, variable in zip(gradients, variables, strict=True):
            total = self._totals.get(id(variable))
            if total is None or gradient is None:
                continue
            self._observed.add(id(variable))
            value = None
            if self._full_value is not None:
                value = self._full_value(self._paths[id(variable)])
            if value is None:
                value = tf.convert_to_tensor(variable.value)
            gradient = tf.convert_to_tensor(gradient)
            total.assign_sub(tf.cast(gradient, tf.float32) * tf.cast(value, tf.float32))

    @contextlib.contextmanager
    def gathering(self) -> Iterator[Movement]:
        """Observes every step of `model.fit` inside the `with`."""
        self._model.train_function = None  # one that was traced before would not observe
        self.attach()
        try:
            yield self
        finally:
            self.detach()
            self._model.train_function = None

    def attach(self) -> None:
        """Makes the model's optimizer observe each step that is traced from now on."""
        optimizer = self._optimizer()
        apply = optimizer.apply

        def observed(grads: Any, trainable_variables: Any = None) -> Any:
            variables = trainable_variables
            if variables is None:
                variables = optimizer._trainable_variables
            self.observe(grads, variables)
            return apply(grads, trainable_variables)

        optimizer.__dict__["apply"] = observed

    def detach(self) -> None:
        """Undoes `attach`."""
        self._optimizer().__dict__.pop("apply", None)

    def _optimizer(self) -> keras.optimizers.Optimizer:
        optimizer = getattr(self._model, "optimizer", None)
        if optimizer is None:
            raise ValueError("The model has no optimizer: compile it before gathering movement.")
        return getattr(optimizer, "inner_optimizer", optimizer)  # behind a loss scale

    def state(self) -> dict[str, np.ndarray]:
        """What was gathered, to go on from after `restore`."""
        return {
            f"movement/{path}": self._totals[key].numpy()
            for key, path in self._paths.items()
            if key in self._observed
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a `state`."""
        for key, path in self._paths.items():
            if f"movement/{path}" in state:
                self._totals[key].assign(state[f"movement/{path}"])
                self._observed.add(key)

    def finish(self) -> Scores:
        """The scores so far.

        Raises:
            ValueError: No step was observed, or a sum is not finite.
        """
        if not self._observed:
            raise ValueError("No training step was observed, so there is no movement to score.")
        totals = {
            w.path: self._totals[id(w.variable)].numpy()
            for w in self._weights
            if id(w.variable) in self._observed
        }
        least = min(float(total.min(initial=0.0)) for total in totals.values())
        if not np.isfinite(sum(float(total.sum(dtype=np.float64)) for total in totals.values())):
            raise ValueError("The movement is NaN or infinite: the training diverged.")
        still = [w.path for w in self._weights if w.path not in totals]
        notices = left_alone(self._model)
        if still:
            notices.append(f"{', '.join(still)} did not train: not scored.")
        return Scores(
            {path: total - np.float32(least) for path, total in totals.items()},
            criterion="movement",
            notices=notices,
        )


def _gathered(shape: Sequence[int]) -> tf.Variable:
    return tf.Variable(
        tf.zeros(shape),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
