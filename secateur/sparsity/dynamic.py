"""Dynamic sparse training: masks of a fixed size that move while a model trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.graph.compiling import slot_owner
from secateur.models.weights import weight_paths
from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.sparsity.hold import HeldMasks
from secateur.sparsity.masks import Masks
from secateur.sparsity.rewiring import cosine, rewire

Gradients = Callable[[int], Mapping[str, np.ndarray]]
"""(training step) -> weight path -> ∂L/∂w in the model as it is, of removed weights as well."""


class DynamicSparsity(keras.callbacks.Callback):
    """Holds masks and moves them every so many steps, as a callback of `fit`.

        with DynamicSparsity(model, masks, config, steps, gradients) as dynamic:
            model.fit(x, y, callbacks=[dynamic])
        masks = dynamic.masks

    An update drops the smallest weights of each layer and grows as many: at random (SET: Mocanu et
    al. 2018, in the form in which Evci et al. study it) or where the gradient is largest (RigL:
    Evci et al. 2020). So every layer, and the whole, keeps its ratio at every step. What grows
    begins at zero, without momentum, so an update changes no output but by what it drops.

    Training may run several steps at a time (`steps_per_execution`): updates that fall among them
    are one update behind them. A killed training goes on from `state()`, to the same bits.

    Args:
        model: A built model; it may be compiled later, before `fit`.
        masks: Masks to begin with. Those of weights that do not train stay as they are.
        config: Method, share, frequency and end.
        steps: Training steps (batches) in all.
        gradients: Called at each update of RigL; SET needs none.
        seed: Of what SET draws.

    Raises:
        ValueError: If the masks belong to another model, or RigL gets no gradients.
    """

    def __init__(
        self,
        model: keras.Model,
        masks: Masks,
        config: DynamicConfig,
        steps: int,
        gradients: Gradients | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if config.method == "rigl" and gradients is None:
            raise ValueError("RigL grows weights by their gradients: pass `gradients`.")
        self._config, self._gradients, self._seed = config, gradients, seed
        self._end = round(config.end * steps)
        self._trained = model
        self._variables = dict(weight_paths(model))
        self._held = HeldMasks(model, masks)
        self._step = self._in_epoch = 0

    @property
    def masks(self) -> Masks:
        """The masks in force."""
        return self._held.masks

    def __enter__(self) -> DynamicSparsity:
        self._held.attach()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._held.prove()
        finally:
            self._held.detach()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self._step
        self._step += batch + 1 - self._in_epoch
        self._in_epoch = batch + 1
        due = min(self._step, self._end) // self._config.frequency
        if due > before // self._config.frequency:
            self._update()

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint has to keep beside the model and its optimizer."""
        return {"step": np.array(self._step), **self._held.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a `state`; call it once the model's own weights are in place."""
        self._step = int(state["step"])
        self._held.restore(state)

    def _update(self) -> None:
        fraction = self._config.fraction
        if self._config.method == "rigl":
            fraction = cosine(fraction, self._step, self._end)
        growths, old = self._growths(), self._held.masks
        new = {}
        for path in old:
            mask, variable = old[path], self._variables[path]
            if variable.trainable:
                count = int(fraction * mask.sum())
                value = keras.ops.convert_to_numpy(variable.value).astype(np.float32)
                mask = rewire(value, mask, growths(path), count)
            new[path] = mask
        self._held.update(Masks(new, old.model_digest, old.notices))
        self._reset_slots({path: new[path] & ~old[path] for path in new})

    def _growths(self) -> Callable[[str], np.ndarray]:
        if self._config.method == "rigl":
            assert self._gradients is not None
            found = self._gradients(self._step)
            return lambda path: np.abs(found[path])
        random = np.random.default_rng([self._seed, self._step])
        return lambda path: random.random(self._held.masks.shape(path))

    def _reset_slots(self, grown: Mapping[str, np.ndarray]) -> None:
        """Makes the momenta of new weights zero: they are of a time when nothing moved."""
        owners = {self._variables[p].path.replace("/", "_"): p for p in self._variables}
        optimizer = self._trained.optimizer
        for slot in optimizer.variables:
            path = slot_owner(slot.name, owners)
            if path in grown and slot.shape == grown[path].shape:
                value = tf.convert_to_tensor(slot.value)
                slot.assign(tf.where(grown[path], tf.zeros_like(value), value))


def dense_gradients(
    model: keras.Model, paths: Mapping[str, Any], loss: Callable, x: Any, y: Any
) -> dict[str, np.ndarray]:
    """Gradients of the mean loss of some examples, in inference mode, zeros held or not.

    Args:
        model: A built model.
        paths: Weight paths; those of weights that do not train are passed over.
        loss: Keras loss `(y, predictions) -> scalar`.
        x: Inputs as the model takes them.
        y: Labels.

    Returns:
        Weight path -> float32 array of the weight's shape.
    """
    chosen = [(p, v) for p, v in weight_paths(model) if p in paths and v.trainable]
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=False))
    found = tape.gradient(value, [v.value for _, v in chosen], unconnected_gradients="zero")
    return {
        path: tf.convert_to_tensor(gradient).numpy().astype(np.float32)
        for (path, _), gradient in zip(chosen, found, strict=True)
    }
