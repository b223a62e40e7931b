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


def rounds(target: TargetConfig, *, of_the_rest: bool = False) -> tuple[TargetConfig, ...]:
    """The one-shot targets that `target` comes down to, one for each round.

    Ratios of single layers (an `allocation` that is a mapping) grow in the same way.

    Args:
        target: The whole.
        of_the_rest: Whether each round's ratio is a share of what the round before has left, as
            where weights are removed for good, and not of the whole.

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
        number = 0 if of_the_rest else i  # the same share each time
        if target.ratio is not None:
            change["ratio"] = geometric(target.ratio, target.rounds)[number]
        if isinstance(target.allocation, dict):
            change["allocation"] = {
                glob: geometric(ratio, target.rounds)[number]
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

    `s_t = s_f + (s_i - s_f) · (1 - (t - begin) / (end - begin))³`, with `s_i = 0`; here as a share
    of the final sparsity `s_f`, which may be one ratio or a ratio for each layer.

    Attributes:
        begin: First step at which masks are updated.
        end: Step at which the full sparsity is reached.
        frequency: Steps between two updates.
    """

    begin: int
    end: int
    frequency: int

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end or self.frequency < 1:
            raise ValueError(
                f"a gradual schedule needs 0 <= begin < end and frequency >= 1, not {self}"
            )

    def share_at(self, step: int) -> float:
        """Share of the final sparsity after `step` steps: 0 up to `begin`, 1 from `end` on."""
        if step < self.begin:
            return 0.0
        if step >= self.end:
            return 1.0
        return 1.0 - (1.0 - (step - self.begin) / (self.end - self.begin)) ** 3

    def updates(self, step: int) -> int:
        """How many updates are due in the first `step` steps: every `frequency`-th, and `end`."""
        if step < self.begin:
            return 0
        length = self.end - self.begin
        regular = min(step - self.begin, length) // self.frequency + 1
        return regular + (step >= self.end and length % self.frequency != 0)


def gradual(target: TargetConfig, steps: int) -> Gradual:
    """The schedule of a gradual target for a fine-tuning of `steps` training steps.

    The full sparsity is reached before the last step whatever the rounding, so that training
    always ends at the target.

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
    return Gradual(begin, end, target.frequency)


def at_share(target: TargetConfig, share: float) -> TargetConfig:
    """`target` as a one-shot target of a share of its sparsity: what `select` gets at one step."""
    change: dict[str, object] = {"schedule": "one_shot"}
    if target.ratio is not None:
        change["ratio"] = target.ratio * share
    if isinstance(target.allocation, dict):
        change["allocation"] = {glob: r * share for glob, r in target.allocation.items()}
    return target.model_copy(update=change)
