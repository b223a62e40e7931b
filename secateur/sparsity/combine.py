"""What goes with which target: what does not combine is refused before any work."""

from __future__ import annotations

from secateur.importance.names import BUILT_IN
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.dynamic_config import DynamicConfig


def check_combination(criterion: str, target: TargetConfig, pool: str | None = None) -> None:
    """Refuses a criterion and a target that make no sense together. Imports no TensorFlow.

    Args:
        criterion: Name of a criterion. Of one that another package brings it is known only when it
            runs whether it scores weights or units, so it is not refused here.
        target: The target.
        pool: How scores are pooled to units; None where each weight has its own.

    Raises:
        ValueError: One sentence with the reason and a way out.
    """
    known = BUILT_IN.get(criterion)
    if known is None:
        return
    if known.kind == "method":
        _check_method(criterion, target)
        if pool is not None:
            raise ValueError(
                f"criterion {criterion} gives no scores, so pool has no part in it; leave pool out"
            )
    elif target.n_of_m and (known.kind == "unit" or pool is not None):
        why = f"criterion {criterion}" if known.kind == "unit" else f"pool {pool}"
        raise ValueError(
            f"{why} gives all weights of a unit the same score, so pattern {target.pattern} has "
            "nothing to choose by; use a criterion of single weights, or pattern channel with a "
            "ratio"
        )
    if criterion == "movement" and target.threshold is not None:
        raise ValueError(
            "the scores of movement are an order, whose zero means nothing, so a threshold on them "
            "has no meaning; use ratio or quantile"
        )


def check_dynamic(dynamic: DynamicConfig, target: TargetConfig, epochs: int) -> None:
    """Refuses masks that cannot move with a target. Imports no TensorFlow.

    Args:
        dynamic: How masks move.
        target: How they were made.
        epochs: Of fine-tuning.

    Raises:
        ValueError: One sentence with the reason and a way out.
    """
    if dynamic.method == "none":
        return
    said = f"fine_tune.dynamic.method {dynamic.method}"
    if target.cuts:
        raise ValueError(
            f"{said} moves masks, but target.pattern {target.pattern} removes what is pruned for "
            "good, so nothing can grow; leave it out, or use pattern weight."
        )
    if target.pattern != "weight":
        raise ValueError(
            f"{said} moves single weights, which would break pattern {target.pattern}; leave it "
            "out, or use schedule gradual, which chooses whole patterns anew."
        )
    if target.schedule == "gradual":
        raise ValueError(
            f"{said} and target.schedule gradual both move the masks; use one of them."
        )
    if not epochs:
        raise ValueError(
            f"{said} moves masks during fine-tuning, but fine_tune.epochs is 0; give epochs."
        )


def _check_method(name: str, target: TargetConfig) -> None:
    for field in ("threshold", "quantile"):
        if getattr(target, field) is not None:
            raise ValueError(f"{name} gives no scores that {field} could act on; use ratio")
    if target.pattern != "weight" and not target.n_of_m:
        raise ValueError(
            f"{name} chooses single weights, not units of pattern {target.pattern}; use pattern "
            "weight or N:M, or another criterion"
        )
    if target.ratio is not None and target.allocation in ("auto", "global", "lamp"):
        raise ValueError(
            f"{name} prunes one layer after the other and has no scores that compare layers, which "
            f"allocation {target.allocation} needs; use allocation uniform, erk, or a mapping of "
            "layers to ratios"
        )
    if target.allocation == "output":
        raise ValueError(
            f"{name} chooses among some inputs of all outputs at a time, so allocation output has "
            "no part in it; use allocation uniform, or criterion wanda"
        )
    if target.schedule == "gradual":
        raise ValueError(
            f"{name} rewrites the weights that stay, which cannot be done while they train; use "
            "schedule one_shot or iterative"
        )
