"""Pruning while a model trains: masks that follow a schedule, and may grow back."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from secateur.importance.movement import Movement
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import HeldMasks
from secateur.sparsity.layout import describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.schedule import at_share, gradual
from secateur.sparsity.scope import scope
from secateur.sparsity.select import select

logger = logging.getLogger(__name__)


class GradualPruning(keras.callbacks.Callback):
    """Holds masks that are chosen anew along a cubic schedule, as a callback of `fit`.

        with GradualPruning(model, target, steps, score) as pruning:
            model.fit(x, y, callbacks=[pruning])
        masks = pruning.finish()

    Each update scores all weights, those that are removed as well, so a removed weight comes back
    once it is worth more than others: with the value that it had when it went, as in the paper, or
    from zero; see `remember`.

    Training may run several steps at a time (`steps_per_execution`): an update that falls among
    them takes place behind them, with the ratio of that later step.

    A training that is killed goes on from `state()`, put back by `restore(...)` before `fit`
    together with the model's and the optimizer's variables; it ends at the same bits.

    Source: Zhu & Gupta 2017, "To prune, or not to prune"; with `Movement` the soft variant of Sanh
    et al. 2020, "Movement pruning".

    Args:
        model: A built model; it may be compiled later, before `fit`.
        target: A target whose schedule is `gradual`.
        steps: Training steps (batches) in all.
        score: Gives the scores of the weights as they are in the model at that moment. None gathers
            `movement` during the training itself, and remembers.
        remember: Whether removed weights are scored, and come back, with the values that they had
            when they went: the way for criteria that look at weights alone, under which a zero
            would stay one. Without it the model is scored as it runs: the way for criteria that
            look at data, whose gradients in a model that does not run mislead.
        model_digest: `content_digest` of the model before training, for the masks.
        choose: (scores, one-shot target) -> masks, in place of `select`; they may be of any
            prunable weights.
        zeros: As in `select`: what they mask never comes back, and is zero from the start.

    Raises:
        ValueError: If the target selects nothing, or has too few steps.
    """

    def __init__(
        self,
        model: keras.Model,
        target: TargetConfig,
        steps: int,
        score: Callable[[], Mapping[str, np.ndarray]] | None = None,
        *,
        remember: bool = True,
        model_digest: str = "",
        choose: Callable[[Any, TargetConfig], Masks] | None = None,
        zeros: Masks | None = None,
    ) -> None:
        super().__init__()
        self.schedule = gradual(target, steps)
        self._target = target
        self._pruned = model
        self._layouts = describe(model)
        selected = scope(self._layouts, target)
        shapes = {path: x.shape for path, x in (self._layouts if choose else selected).items()}
        self._zeros = Masks({}) if zeros is None or target.regrow else zeros
        shapes |= {path: self._zeros.shape(path) for path in self._zeros}
        whole = {
            path: self._zeros[path] if path in self._zeros else np.ones(shape, np.bool_)
            for path, shape in shapes.items()
        }
        self._held = HeldMasks(model, Masks(whole), remember=remember or score is None)
        self._movement: Movement | None = None
        if score is None:
            self._movement = Movement(model, self._full_value)
            score = self._movement.finish
        self._score = score
        self._choose = choose or functools.partial(select, layers=self._layouts, zeros=zeros)
        self._model_digest = model_digest
        self._scored = tuple(sorted(whole))
        self._notices: tuple[str, ...] = ()
        self._step = self._in_epoch = 0

    @property
    def masks(self) -> Masks:
        """The masks in force, of the weights that have scores."""
        held = self._held.masks
        packed = {path: (held.shape(path), held.bits(path)) for path in self._scored}
        return Masks.from_packed(packed, self._model_digest, self._notices)

    @property
    def settled(self) -> bool:
        """Whether all that shall go has gone, so that an epoch may be compared with others."""
        return self._step >= self.schedule.end

    def __enter__(self) -> GradualPruning:
        self._held.attach()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.on_train_end()
        try:
            if kind is None:
                self._held.prove()
        finally:
            self._held.detach()

    def on_train_begin(self, logs: Any = None) -> None:
        if self._movement:  # `fit` has compiled by now, and traces the step after this
            self._movement.attach()

    def on_train_end(self, logs: Any = None) -> None:
        if self._movement and getattr(self._pruned, "optimizer", None) is not None:
            self._movement.detach()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self._step
        self._step += batch + 1 - self._in_epoch
        self._in_epoch = batch + 1
        if self.schedule.updates(self._step) > self.schedule.updates(before):
            self._update(self.schedule.share_at(self._step))

    def finish(self) -> Masks:
        """The final masks.

        Where training stopped before the schedule's end, what is missing is removed now, and a
        notice says so.
        """
        if self._step < self.schedule.end:
            self._update(1.0)
            self._notices += (
                f"training stopped after {self._step} steps, before the gradual schedule's end at "
                f"{self.schedule.end}; the rest was removed at once, and no training followed",
            )
            self._step = self.schedule.end
        return self.masks

    def state(self) -> dict[str, np.ndarray]:
        """What a checkpoint has to keep beside the model and its optimizer: plain arrays."""
        about = {"step": self._step, "scored": self._scored, "notices": self._notices}
        state = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        state |= self._held.state()
        return state | (self._movement.state() if self._movement else {})

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a `state`; call it once the model's own weights are in place.

        Raises:
            KeyError: If the state is of another model or target.
        """
        about = json.loads(bytes(state["about"]))
        self._step = about["step"]
        self._scored, self._notices = tuple(about["scored"]), tuple(about["notices"])
        self._held.restore(state)
        if self._movement:
            self._movement.restore(state)

    def _full_value(self, path: str) -> Any:
        return self._held.full_value(path) if path in self._held.masks else None

    def _update(self, share: float) -> None:
        # Without memories, `full` is the model as it runs.
        with self._held.full():
            scores = self._score()
        target = at_share(self._target, share)
        masks = self._choose(scores, target)
        held = self._held.masks
        packed = {path: (held.shape(path), held.bits(path)) for path in held}
        packed |= {path: (masks.shape(path), masks.bits(path)) for path in masks}
        for path in self._zeros:
            packed[path] = (packed[path][0], packed[path][1] & self._zeros.bits(path))
        self._held.update(Masks.from_packed(packed))
        self._scored, self._notices = tuple(masks), masks.notices
