"""Holding masks: what is removed stays exactly zero while a model trains."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.models.weights import content_digest, weight_paths
from secateur.proof.masks import prove_masks
from secateur.proof.record import Check
from secateur.sparsity.masks import Masks


def apply_masks(model: keras.Model, masks: Masks, *, expected_digest: str | None = None) -> None:
    """Zeroes the weights that the masks remove.

    Args:
        model: A built model.
        masks: Masks of some or all of its weights.
        expected_digest: Give `masks.model_digest` to insist on the very weights that were scored;
            by default a model with the same paths and shapes is taken, such as a fine-tuned one.

    Raises:
        ValueError: If the masks belong to another model.
    """
    variables = _checked(model, masks)
    if expected_digest is not None:
        masks.check(_shapes(model), content_digest(model))
        if expected_digest != masks.model_digest:
            raise ValueError(
                f"masks for the content {expected_digest[:12]} are expected, these are for "
                f"{masks.model_digest[:12] or '(unknown)'}"
            )
    for path in masks:
        variable = variables[path]
        value = keras.ops.convert_to_numpy(variable)
        variable.assign(np.where(masks[path], value, np.zeros((), value.dtype)))


@contextlib.contextmanager
def hold(model: keras.Model, masks: Masks) -> Iterator[HeldMasks]:
    """Keeps removed weights at exactly zero: `with hold(model, masks): model.fit(...)`.

    The weights are zeroed at once, and again after each step of the model's optimizer, whatever
    optimizer it is, in `fit` and `train_on_batch`; with `use_ema=True` so are their averages. That
    goes for every other model that has the same weights too, such as one that the held one is a
    part of. A constraint of the user's is applied as well. At the end all is as before, except for
    the weights; a file saved inside or after the block needs nothing of this package to load.

    A training loop of your own is held too if it calls `optimizer.apply` and is traced inside the
    block; or let it call `enforce()` of the object that the block gives. If weights came back
    because it does neither, the end of the block says so.

    Args:
        model: A built model, compiled or not.
        masks: Masks of some or all of its weights.

    Yields:
        The masks in force; `update` changes them without a new trace.

    Raises:
        ValueError: If the masks belong to another model.
        ProofError: At the end, if removed weights are not zero.
    """
    held = HeldMasks(model, masks)
    held.attach()
    try:
        yield held
        held.prove()
    finally:
        held.detach()


class HeldMasks:
    """Masks as variables beside a model's weights; see `hold`.

    Args:
        model: A built model.
        masks: Masks of some or all of its weights.
        remember: Whether a weight that comes back does so with the value it had when it went,
            rather than from zero. It takes the memory of the weights once more.
    """

    def __init__(self, model: keras.Model, masks: Masks, *, remember: bool = False) -> None:
        self._model = model
        self._weights = {path: v for path, v in _checked(model, masks).items() if path in masks}
        self._before: dict[str, Callable[[Any], Any] | None] = {}
        self._sharing: weakref.WeakSet[keras.Model] = weakref.WeakSet([model])
        with model.distribute_strategy.scope():
            self._masks = {
                path: tf.Variable(masks[path], trainable=False, name="mask") for path in masks
            }
            self._memories = {
                path: tf.Variable(_exact(self._weights[path]), trainable=False, name="memory")
                for path in (masks if remember else ())
            }
        self.masks = masks

    def update(self, masks: Masks) -> None:
        """Puts other masks of the same weights in force, at once; weights may come back.

        Raises:
            ValueError: If the masks are for other weights.
        """
        if set(masks) != set(self.masks):
            raise ValueError("masks can only be updated by masks of the same weights")
        masks.check({path: self.masks.shape(path) for path in self.masks})
        for path, variable in self._masks.items():
            mask = tf.convert_to_tensor(masks[path])
            if path in self._memories:
                full = self.full_value(path)
                self._memories[path].assign(full)
                self._weights[path].assign(tf.where(mask, full, tf.zeros_like(full)))
            variable.assign(mask)
        self.masks = masks
        self.enforce()

    def full_value(self, path: str) -> tf.Tensor:
        """A weight with what is removed put back as it was, float32 or wider."""
        value = _exact(self._weights[path])
        return tf.where(self._masks[path], value, self._memories.get(path, tf.zeros_like(value)))

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """The model with all that is removed put back as it was; masked again at the end."""
        for path, weight in self._weights.items():
            weight.assign(tf.cast(self.full_value(path), weight.dtype))
        try:
            yield
        finally:
            self.enforce()

    def state(self) -> dict[str, np.ndarray]:
        """Masks (packed) and remembered values, to go on from after `restore`."""
        state = {f"mask/{path}": self.masks.bits(path) for path in self.masks}
        return state | {f"memory/{path}": m.numpy() for path, m in self._memories.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Puts the masks and values of a `state` in force; the model's weights are its own."""
        packed = {p: (self.masks.shape(p), state[f"mask/{p}"]) for p in self.masks}
        self.masks = Masks.from_packed(packed, self.masks.model_digest)
        for path, variable in self._masks.items():
            variable.assign(self.masks[path])
        for path, memory in self._memories.items():
            memory.assign(state[f"memory/{path}"])
        self.enforce()

    def enforce(self) -> None:
        """Zeroes what is removed, now or as part of the `tf.function` that calls it."""
        for path, weight in self._weights.items():
            mask = self._masks[path]
            weight.assign(_masked(weight, mask))
            for model in self._sharing:
                _mask_average(model, weight, mask)

    def attach(self) -> None:
        """Makes every optimizer that trains the weights enforce the masks after each step."""
        sharing = models_with(self._weights.values())
        self._sharing = weakref.WeakSet(sharing)
        self.enforce()
        for path, weight in self._weights.items():
            self._before[path] = weight.constraint
            weight.constraint = _MaskConstraint(
                self._sharing, weight, self._masks[path], weight.constraint
            )
        _forget_traces(sharing)

    def prove(self) -> Check:
        """Proves that what is removed is zero, as it is where all training enforced the masks.

        Raises:
            ProofError: If weights came back, such as by a step that was traced before `attach`.
        """
        return prove_masks(self._model, self.masks, "while the masks were held")

    def detach(self) -> None:
        """Puts the constraints back that were there before `attach`."""
        for path, constraint in self._before.items():
            self._weights[path].constraint = constraint
        self._before.clear()
        _forget_traces(models_with(self._weights.values()))


class _MaskConstraint:
    """Called by the optimizer after each step of a weight; composed with the user's constraint."""

    def __init__(
        self,
        sharing: weakref.WeakSet[keras.Model],
        weight: keras.Variable,
        mask: tf.Variable,
        inner: Callable[[Any], Any] | None,
    ) -> None:
        self._sharing = sharing
        self._weight = weight
        self._mask = mask
        self._inner = inner

    def __call__(self, value: Any) -> Any:
        masked = _masked(value, self._mask)
        if self._inner is not None:  # it sees the weights that stay, and may not revive the others
            masked = _masked(self._inner(masked), self._mask)
        for model in self._sharing:
            _mask_average(model, self._weight, self._mask)
        return masked


def _exact(weight: keras.Variable) -> tf.Tensor:
    value = tf.convert_to_tensor(weight.value)
    return value if value.dtype == tf.float64 else tf.cast(value, tf.float32)


def _masked(value: Any, mask: tf.Variable) -> tf.Tensor:
    value = tf.convert_to_tensor(value)
    return tf.where(mask, value, tf.zeros((), value.dtype))


def _mask_average(model: keras.Model, weight: keras.Variable, mask: tf.Variable) -> None:
    """Masks the moving average that `use_ema=True` overwrites the weight with."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    if optimizer is None or not optimizer.use_ema or not optimizer.built:
        return
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
        if variable is weight and average is not None:
            average.assign(_masked(average, mask))


def models_with(weights: Iterable[keras.Variable]) -> list[keras.Model]:
    """Every model there is that has one of the weights, whether it is a part of others or not.

    Keras does not tell a layer which models it is in, so Python's list of objects has to.
    """
    wanted = {id(weight) for weight in weights}
    kinds: dict[type, bool] = {}
    found = []
    for each in gc.get_objects():
        kind = type(each)
        if kind not in kinds:
            kinds[kind] = issubclass(kind, keras.Model)
        if kinds[kind] and any(id(v) in wanted for v in _variables(each)):
            found.append(each)
    return found


def _variables(model: keras.Model) -> list[keras.Variable]:
    try:
        return model.variables
    except (AttributeError, RuntimeError):  # a subclass whose `__init__` did not come to its end
        return []


def _forget_traces(models: Iterable[keras.Model]) -> None:
    """Makes `fit` trace its step again; an old trace has the old constraints."""
    for model in models:
        model.train_function = None


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {path: tuple(variable.shape) for path, variable in weight_paths(model)}


def _checked(model: keras.Model, masks: Masks) -> dict[str, keras.Variable]:
    masks.check(_shapes(model))
    return dict(weight_paths(model))
