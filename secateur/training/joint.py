"""What a model with several outputs is trained and measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, cast

import keras

from secateur.datasets.traits import SEVERAL, Task
from secateur.training.objective import Objective, Part
from secateur.training.objective_config import ObjectiveConfig, OutputConfig
from secateur.training.own_losses import OnOutput, Weighted


@dataclass(frozen=True)
class JointObjective:
    """Losses and metrics of a model with several outputs, by their names.

    The loss is the weighted sum of the outputs' losses. Metrics are called as Keras calls them,
    `<output>_<metric>`; the first one of the first output counts.

    Attributes:
        outputs: Objective of each output.
        weights: What the loss of each output is multiplied by.
    """

    outputs: Mapping[str, Objective]
    weights: Mapping[str, float]
    task: ClassVar[str] = SEVERAL

    @classmethod
    def of(cls, config: ObjectiveConfig, goal: Mapping[str, str]) -> JointObjective:
        """That of a data set's outputs; see `objective_of`."""
        for name in ("task", "loss", "metrics"):
            if getattr(config, name):
                raise ValueError(
                    f"objective.{name} is given, but the data set has the outputs "
                    f"{', '.join(goal)}; say by objective.outputs which of them is meant."
                )
        for name in config.outputs:
            if name not in goal:
                raise ValueError(
                    f"objective.outputs names {name!r}, but the outputs of the data set are "
                    f"{', '.join(goal)}."
                )
        own = {name: config.outputs.get(name, OutputConfig()) for name in goal}
        outputs = {
            name: Objective(
                cast(Task, task),
                ObjectiveConfig(
                    loss=own[name].loss, metrics=own[name].metrics, better=config.better
                ),
                name,
            )
            for name, task in goal.items()
        }
        return cls(outputs, {name: each.weight for name, each in own.items()})

    @property
    def parts(self) -> list[Part]:
        """What is compared, and how much each counts."""
        return [
            Part(itemgetter(name), objective, self.weights[name])
            for name, objective in self.outputs.items()
        ]

    @property
    def higher(self) -> bool:
        """Whether a higher value of the first metric is a better one."""
        return next(iter(self.outputs.values())).higher

    def loss(self, model: keras.Model, smoothing: float = 0.0) -> dict[str, keras.losses.Loss]:
        """The weighted loss of each output; smoothing is of those that have labels.

        Raises:
            ValueError: As `Objective.loss`.
        """
        labels = any(objective.labels for objective in self.outputs.values())
        return {
            name: Weighted(
                objective.loss(model, smoothing if objective.labels or not labels else 0.0),
                self.weights[name],
            )
            for name, objective in self.outputs.items()
        }

    def metrics(self, model: keras.Model) -> list[keras.metrics.Metric]:
        """Fresh metrics of all outputs, which take what a model gives as a whole."""
        return [
            OnOutput(metric, name)
            for name, objective in self.outputs.items()
            for metric in objective.metrics(model)
        ]


Goal = Objective | JointObjective
"""Of a single output, or of several."""


def objective_of(config: ObjectiveConfig, goal: str | Mapping[str, str]) -> Goal:
    """That of a data set's task, unless the user names another; of several outputs, of each.

    Args:
        config: The user's own loss and metrics.
        goal: See `Dataset.goal`.

    Raises:
        ValueError: One sentence: the parameters name outputs that there are not, or leave open
            which of several outputs they mean.
    """
    if not isinstance(goal, str):
        return JointObjective.of(config, goal)
    if config.outputs:
        raise ValueError(
            f"objective.outputs names {next(iter(config.outputs))!r}, but the data set has one "
            "output; give objective.loss and objective.metrics, or dataset.outputs."
        )
    return Objective(config.task or cast(Task, goal), config)


def total_loss(goal: Goal, model: keras.Model) -> Callable[[Any, Any], Any]:
    """A function (targets, what `model` gives) -> the mean loss of the examples, one number."""
    losses = [(*part, part.objective.loss(model)) for part in goal.parts]
    return lambda y, given: sum(
        weight * loss(pick(y), pick(given)) for pick, _, weight, loss in losses
    )
