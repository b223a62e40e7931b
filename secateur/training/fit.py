"""Fitting a model: the loop that `train` and `fine_tune` share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.graph.attributes import own_steps
from secateur.models.weights import flat_layers
from secateur.training import companion
from secateur.training.augment import augmenter
from secateur.training.batches import ordered, shuffled
from secateur.training.best_epoch import BestEpoch
from secateur.training.checkpoint import Checkpoint
from secateur.training.computing import check_devices, computing, loss_scaled
from secateur.training.fit_config import FitConfig
from secateur.training.joint import Goal
from secateur.training.objective import Objective, compile_for
from secateur.training.rates import last_of, learning_rate
from secateur.training.regularizer import sparse

Progress = Callable[[float, dict[str, float]], None]
"""Called as training goes on, with the epochs done (a fraction inside one) and the metrics."""

Stop = Callable[[int], bool]
"""Asked at the end of each epoch but the last, with the epochs done, whether training ends here."""

_WORK_PER_EXECUTION = 1e9
"""Multiplications of a forward pass in one execution: with the way back, about half a second."""


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; trying again gives the same."""


def fit(
    model: keras.Model,
    train: Split,
    validation: Split,
    config: FitConfig,
    *,
    seed: int,
    objective: Goal | None = None,
    companions: Sequence[keras.callbacks.Callback] = (),
    optimizer: Callable[..., keras.optimizers.Optimizer] = keras.optimizers.Adam,
    around: Callable[[keras.Model], keras.Model] | None = None,
    rewound: FitConfig | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    group: str = "fit",
) -> dict[str, list[float]]:
    """Trains `model` in place, and goes on from a checkpoint if there is one.

    The result depends on the arguments and the machine alone: batches are ordered by `seed` and
    the epoch, and a training that was killed and goes on ends at the same bits.

    Ways to train compose: what acts between steps is a companion; what changes the step itself is
    an optimizer, or a regularizer or constraint of single weights (`weight.regularizer`,
    `weight.constraint`) that is set before and put back after, as `secateur.sparsity.hold` does;
    what needs a loss of its own goes around the model, as `distillation.Taught` does. Several
    steps may run between two calls of a companion (`steps_per_execution`); its `model` is what
    goes around, and `model.optimizer` is the same for both.

    Args:
        model: A built model; it is compiled anew. For several devices it was built, or loaded, in
            `computing.on_devices`.
        train: Training examples, not empty.
        validation: Watched after each epoch; can be empty.
        config: How: with 0 epochs the model is only compiled.
        seed: Orders the batches.
        objective: What the model is for; by default classification.
        companions: Callbacks, called in this order; those that are `Companion`s are kept in the
            checkpoint and restored from it. They are the same, in the same order, at each call.
        optimizer: Gives an optimizer, called with a learning rate or a schedule of one.
        around: Gives the model that `fit` of Keras is called on; its weights are those of `model`.
        rewound: A training whose last epochs' learning rates come again, in place of `config`'s.
        checkpoints: A folder that survives a kill; None to keep no checkpoints.
        progress: Told how far training is, every half a second or so.
        stop: Ends training before its time. The model then has the weights of the best epoch so
            far, if there is a validation split to tell; the checkpoint is that of the last epoch,
            from which another call goes on to the very bits of a training that was not stopped.
        group: What the user calls the group of `config`, for messages.

    Returns:
        History: `loss`, `accuracy`, `val_loss` …, one value for each epoch.

    Raises:
        DivergedError: The loss is NaN or infinite; one sentence with the epoch and what to change.
        ValueError: One sentence: the model has nothing that `config.regularizer` could act on, or
            the best epoch is asked for without a validation split, or weights of classes or
            smoothing where there are no classes, or augmentation of what is no image.
    """
    objective = objective or Objective()
    if around and (own := own_steps(type(model))):
        raise ValueError(
            f"The model {model.name!r} has a {own[0]} of its own, which is not used where a "
            f"teacher is imitated; leave {group}.distill out."
        )
    epochs = config.epochs or 0
    batch_size, steps = config.batch(len(train)), config.steps(len(train))
    per_execution = int(_WORK_PER_EXECUTION // (_work(model) * batch_size + 1))
    if config.compute.devices > 1:  # TensorFlow 2.21 cannot run several steps of them in one loop
        per_execution = 1
    optimizer = sparse(model, config.regularizer, epochs * steps, optimizer)
    with model.distribute_strategy.scope():
        trained = around(model) if around else model
        compile_for(
            trained,
            loss_scaled(optimizer(_rates(config, rewound, steps)), config.compute),
            max(1, min(64, steps, per_execution)),
            objective=objective,
            outputs_of=model,
            smoothing=config.label_smoothing,
            xla=config.compute.xla,
        )
        trained.optimizer.build(model.trainable_variables)
    model.optimizer = trained.optimizer
    class_weight = _class_weight(config, train, objective, group)
    best = _best_epoch(
        config, model, objective, companions, bool(len(validation)), group, stop is not None
    )
    companions = [*companions, *([best] if best else [])]
    checkpoint = Checkpoint(checkpoints) if checkpoints else None
    done, history, beside = checkpoint.restore(model) if checkpoint else (0, {}, {})
    if done:
        companion.restore(companions, beside)
    augment = augmenter(config.augment, train, f"{group}.augment")
    epoch = tf.Variable(done, dtype=tf.int32)
    said = f"{group}.learning_rate ({config.learning_rate:g})"
    if rewound:
        said = f"train.learning_rate ({rewound.learning_rate:g})"
    watch = _Watch(
        model, epoch, steps, epochs, history, checkpoint, companions, progress, stop, said
    )
    if done < epochs and not (best and best.stopped):
        batches = shuffled(train, batch_size, seed, epoch, augment)
        with computing(model, trained, batches, config.compute, group):
            trained.fit(
                batches,
                validation_data=ordered(validation, 1024) if len(validation) else None,
                initial_epoch=done,
                epochs=epochs,
                shuffle=False,  # `shuffled` does it
                verbose=0,
                class_weight=class_weight,
                callbacks=[*companions, watch],
            )
    if best and (config.keep == "best" or watch.halted):
        best.put_back()
    return history


def check_fit(
    model: keras.Model,
    train: Split,
    validation: Split,
    config: FitConfig,
    objective: Goal,
    group: str = "fit",
) -> None:
    """Refuses what `fit` would refuse, at once; the arguments are those of `fit`.

    Raises:
        ValueError: One sentence.
    """
    check_devices(config.compute, group)
    objective.loss(model, config.label_smoothing)
    augmenter(config.augment, train, f"{group}.augment")
    _class_weight(config, train, objective, group)
    _best_epoch(config, model, objective, [], bool(len(validation)), group)


def _rates(config, rewound, steps):
    epochs = config.epochs or 0
    if rewound:
        return last_of(rewound, epochs * steps, (rewound.epochs or 0) * steps)
    return learning_rate(config, epochs * steps)


def _best_epoch(
    config, model, objective, companions, watched, group, may_stop=False
) -> BestEpoch | None:
    asked_for = config.keep == "best" or config.patience is not None
    if not asked_for and not (may_stop and watched):
        return None
    if not watched:
        asked = f"patience is {config.patience}" if config.patience else f"keep is {config.keep}"
        raise ValueError(
            f"{group}.{asked}, but the validation split is empty; give dataset.validation, such as "
            "0.1, or leave it out."
        )
    return BestEpoch(
        model,
        objective.metrics(model)[0].name,
        higher=objective.higher,
        patience=config.patience,
        keep=config.keep == "best" or may_stop,
        others=companions,
    )


def _work(model: keras.Model) -> int:
    """About how many multiplications a forward pass of one example takes.

    Each weight counts at all positions that its layer gives, as far as the layer says; steps of a
    convolution take far longer than its number of weights says.
    """
    total = 0
    for layer in flat_layers(model):
        if not list(layer._flatten_layers(include_self=False)):
            total += layer.count_params() * _positions(layer)
    return total


def _positions(layer: keras.Layer) -> int:
    try:
        shape = layer.output.shape[1:]
    except (AttributeError, ValueError):  # inside another layer, or of several outputs
        return 1
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    sizes = shape[:-1] if last else shape[1:]
    return math.prod(size for size in sizes if size)


def _class_weight(config, train, objective, group) -> dict[int, float] | None:
    """Of each class that occurs: examples / (classes x examples of the class)."""
    if config.class_weight == "none":
        return None
    if objective.task not in ("classification", "binary"):
        raise ValueError(
            f"{group}.class_weight is {config.class_weight}, but the task {objective.task} gives "
            "no example one class; leave it out."
        )
    classes, counts = np.unique(np.asarray(train.y), return_counts=True)
    weights = len(train) / (len(classes) * counts)
    return {int(c): float(w) for c, w in zip(classes, weights, strict=True)}


class _Watch(keras.callbacks.Callback):
    """Sets the epoch that orders the batches, keeps the history, and saves after each epoch."""

    def __init__(
        self, model, epoch, steps, epochs, history, checkpoint, companions, progress, stop, setting
    ):
        super().__init__()
        self._saved = model
        self._epoch, self._steps, self._epochs = epoch, steps, epochs
        self._stop, self._setting = stop, setting
        self.halted = False
        self._history, self._checkpoint, self._companions = history, checkpoint, companions
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
            beside = companion.states(self._companions)
            self._checkpoint.save(self._saved, epoch + 1, self._history, beside)
        self._progress(epoch + 1.0, values)
        goes_on = epoch + 1 < self._epochs and not self.model.stop_training
        if goes_on and self._stop and self._stop(epoch + 1):
            self.halted = self.model.stop_training = True

    def _refuse_nan(self, logs):
        for name, shown in (("loss", "loss"), ("val_loss", "validation loss")):
            loss = float(logs.get(name, 0.0))
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The {shown} became {loss} in epoch {self._number + 1}; lower "
                    f"{self._setting}, or look for values that are not finite in the data."
                )
