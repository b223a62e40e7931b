"""How the learning rate goes on during a training."""

from __future__ import annotations

import keras

from secateur.training.fit_config import FitConfig

_ONE_CYCLE_WARMUP = 0.3
_ONE_CYCLE_BEGIN = 1 / 25
_ONE_CYCLE_END = _ONE_CYCLE_BEGIN / 1e4


class _Last(keras.optimizers.schedules.LearningRateSchedule):
    """The end of a schedule: what it gives from step `skipped` on."""

    def __init__(self, whole: keras.optimizers.schedules.LearningRateSchedule, skipped: int):
        self._whole, self._skipped = whole, skipped

    def __call__(self, step):
        return self._whole(keras.ops.cast(step, "int64") + self._skipped)


def last_of(
    config: FitConfig, steps: int, of_all: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rates of the last `steps` of a training of `of_all` steps.

    Source: Renda et al. 2020, "Comparing rewinding and fine-tuning in neural network pruning".
    """
    whole = learning_rate(config, of_all)
    return whole if isinstance(whole, float) else _Last(whole, of_all - steps)


def learning_rate(
    config: FitConfig, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of `config` as Keras optimizers take it.

    Constant and cosine begin, if they are warmed up, at 0; one_cycle begins at a 25th of the
    highest rate and ends at a 250,000th of it (the values of fast.ai and PyTorch). Rise and fall
    of one_cycle are linear and cosine; momentum stays as it is.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5 without restarts; Smith & Topin 2018,
    "Super-convergence".

    Args:
        config: `learning_rate`, `rate_schedule`, `warmup`.
        steps: Training steps in all.
    """
    highest, name, warmup = config.learning_rate, config.rate_schedule, config.warmup
    if name == "constant" and not warmup:
        return highest
    begin, end = 0.0, {"constant": 1.0, "cosine": 0.0, "one_cycle": _ONE_CYCLE_END}[name]
    if name == "one_cycle":
        begin, warmup = highest * _ONE_CYCLE_BEGIN, warmup or _ONE_CYCLE_WARMUP
    rising = round(warmup * steps)
    falling = max(1, steps - rising)
    if not rising:
        return keras.optimizers.schedules.CosineDecay(highest, falling, alpha=end)
    return keras.optimizers.schedules.CosineDecay(
        begin, falling, alpha=end, warmup_target=highest, warmup_steps=rising
    )
