"""What rewinding needs of the other parameters, said before any work."""

from __future__ import annotations

from secateur.correction.config import CorrectConfig
from secateur.sparsity.config import TargetConfig
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig


def check_rewinding(
    train: TrainConfig, target: TargetConfig, fine_tune: FineTuneConfig, correct: CorrectConfig
) -> None:
    """Refuses a training that cannot be rewound.

    Args:
        train: With its epochs filled in.
        target: What is pruned, and when.
        fine_tune: With `rewind`.
        correct: What is mended after the cut.

    Raises:
        ValueError: One sentence.
    """
    epochs, kept = train.epochs or 0, train.keep_epoch
    if kept is not None and kept > epochs:
        raise ValueError(
            f"train.keep_epoch is {kept}, but train.epochs is {epochs}; keep an earlier one."
        )
    way = fine_tune.rewind
    if way == "none":
        return
    if target.schedule == "gradual":
        raise ValueError(
            f"fine_tune.rewind is {way!r}, but target.schedule gradual has no moment to rewind at: "
            "it prunes while the model trains; use schedule one_shot or iterative."
        )
    if fine_tune.dynamic.method != "none":
        raise ValueError(
            f"fine_tune.rewind is {way!r}, but fine_tune.dynamic.method "
            f"{fine_tune.dynamic.method!r} moves masks away from what was pruned; use one of them."
        )
    if fine_tune.epochs > epochs:
        raise ValueError(
            f"fine_tune.rewind is {way!r} and fine_tune.epochs {fine_tune.epochs}, but train has "
            f"only {epochs} epochs whose learning rates could come again; give fewer, or train "
            "longer."
        )
    if way == "weights" and kept is None:
        raise ValueError(
            "fine_tune.rewind is 'weights', but no weights are kept; give train.keep_epoch, such "
            "as 1."
        )
    if way == "weights" and target.cuts:
        raise ValueError(
            "fine_tune.rewind is 'weights', but what the target prunes is removed for good, so "
            "that the early weights do not fit; use rewind learning_rate, or pattern weight."
        )
    if way == "weights" and correct.method not in (None, "none"):
        raise ValueError(
            f"fine_tune.rewind is 'weights', but what correct.method {correct.method!r} mends "
            "would be overwritten by the early weights; leave it out, or use rewind learning_rate."
        )
