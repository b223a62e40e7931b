"""When weights are removed: at once, in rounds, or gradually while training."""

from __future__ import annotations

from dataclasses import dataclass

from secateur.sparsity.config import TargetConfig


def geometric(ratio: float, rounds: int) -> tuple[float, ...]:
    """Ratios of rounds that each remove the same share of what the round before has left.

    Args:
        ratio: Share of the weights removed after the last round.
        rounds: Number of rounds, at least 1.

    Returns:
        `1 - (1 - ratio) ** (i / rounds)` for `i` of 1 … rounds; the last is `ratio` exactly.
    """
    kept = 1.0 - ratio
    return (*(1.0 - kept ** (i / rounds) for i in range(1, rounds)), ratio)


def ratios(target: TargetConfig) -> tuple[float, ...]:
    """The ratio of each round of `target`: one for `one_shot`, `target.rounds` for `iterative`.

    Raises:
        ValueError: If the target has no ratio, or is gradual.
    """
    return tuple(_ratio(step) for step in rounds(target))


def rounds(target: TargetConfig) -> tuple[TargetConfig, ...]:
    """The one-shot targets that `target` comes down to, one for each round.

    Ratios of single layers (an `allocation` that is a mapping) grow in the same way.

    Raises:
        ValueError: If the target is gradual: its ratio depends on the training step.
    """
    if target.schedule == "one_shot":
        return (target,)
    if target.schedule == "gradual":
        raise ValueError("a gradual target has no rounds; use secateur.sparsity.schedule.gradual")
    steps = []
    for i in range(target.rounds):
        change: dict[str, object] = {"schedule": "one_shot"}
        if target.ratio is not None:
            change["ratio"] = geometric(target.ratio, target.rounds)[i]
        if isinstance(target.allocation, dict):
            change["allocation"] = {
                glob: geometric(ratio, target.rounds)[i]
                for glob, ratio in target.allocation.items()
            }
        steps.append(target.model_copy(update=change))
    return tuple(steps)


def _ratio(target: TargetConfig) -> float:
    if target.ratio is None:
        raise ValueError("the target has no overall ratio; use secateur.sparsity.schedule.rounds")
    return target.ratio


@dataclass(frozen=True)
class Gradual:
    """The cubic schedule of Zhu & Gupta 2017 ("To prune, or not to prune", equation 1).

    `s_t = s_f + (s_i - s_f) · (1 - (t - begin) / (end - begin))³`, with `s_i = 0`.

    Attributes:
        ratio: `s_f`, the share removed from `end` on.
        begin: First step at which masks are updated.
        end: Step at which the full ratio is reached.
        frequency: Steps between two updates.
    """

    ratio: float
    begin: int
    end: int
    frequency: int

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end or self.frequency < 1 or not 0 <= self.ratio < 1:
            raise ValueError(
                "a gradual schedule needs 0 <= begin < end, frequency >= 1 and 0 <= ratio < 1, "
                f"not {self}"
            )

    def ratio_at(self, step: int) -> float:
        """Share removed after the update of `step`; 0 before `begin`, `ratio` from `end` on."""
        if step < self.begin:
            return 0.0
        if step >= self.end:
            return self.ratio
        left = 1.0 - (step - self.begin) / (self.end - self.begin)
        return self.ratio * (1.0 - left**3)

    def updates_at(self, step: int) -> bool:
        """Whether `step` updates the masks: each `frequency`-th from `begin`, and `end`."""
        return self.begin <= step <= self.end and (
            (step - self.begin) % self.frequency == 0 or step == self.end
        )


def gradual(target: TargetConfig, steps: int) -> Gradual:
    """The schedule of a gradual target for a fine-tuning of `steps` training steps.

    The full ratio is reached before the last step whatever the rounding, so that training always
    ends at `target.ratio`.

    Raises:
        ValueError: If the target is not gradual, or `steps` are too few to update a mask twice.
    """
    if target.schedule != "gradual":
        raise ValueError(f"the schedule is {target.schedule}, not gradual")
    begin = round(target.begin * steps)
    end = min(max(round(target.end * steps), begin + 1), steps - 1)
    if end <= begin:
        raise ValueError(
            f"fine-tuning has {steps} steps, too few for a gradual schedule from {target.begin} to "
            f"{target.end} of them; train longer or use schedule one_shot"
        )
    return Gradual(_ratio(target), begin, end, target.frequency)


def at_ratio(target: TargetConfig, ratio: float) -> TargetConfig:
    """`target` as a one-shot target of another ratio: what `select` gets at one step."""
    return target.model_copy(update={"ratio": ratio, "schedule": "one_shot"})
