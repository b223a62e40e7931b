"""Which stage gets what in a search: to the waypoints, and from a candidate to its validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from secateur.flows.parameters import PruneParameters
from secateur.flows.pipeline import (
    after_first,
    has_scores,
    prune_once,
    tuning,
    wire_rounds,
    wire_train,
)
from secateur.searching.sensitivity_config import SensitivityConfig
from secateur.store import Reference
from secateur.tasks.fine_tune_rung import fine_tune_rung
from secateur.tasks.importance import importance
from secateur.tasks.profile import profile
from secateur.tasks.prune_shrink import prune_shrink
from secateur.tasks.sensitivity import sensitivity
from secateur.tasks.validate import validate
from secateur.tasks.waypoints import waypoints

R = TypeVar("R", bound=Reference)


class Ground(NamedTuple):
    """What a search with one pattern starts from."""

    data: Any
    model: Any
    scores: Any
    sensitivity: Any


def wire_sensitivity(
    p: PruneParameters, config: SensitivityConfig, run: Callable[..., R]
) -> Ground:
    """The stages as far as the sensitivity of the model after `p.first`."""
    data, dense = wire_train(p, run)
    model = after_first(p, run, data, dense)
    scores = None
    if has_scores(p):
        scores = run(importance, data=data, model=model, importance=p.importance, seed=p.seed)
    how = {"target": p.target, "sensitivity": config, "seed": p.seed}
    found = run(sensitivity, data=data, model=model, scores=scores, **how)
    return Ground(data, model, scores, found)


def wire_waypoints(
    p: PruneParameters,
    ground: Ground,
    way: str,
    measure: str,
    timed: bool,
    run: Callable[..., R],
) -> R:
    """The waypoints from the model that `wire_sensitivity` gave, with latencies if `timed`."""
    more = {"table": run(profile)} if timed else {}
    return run(
        waypoints,
        **ground._asdict(),
        target=p.target,
        way=way,
        measure=measure,
        importance=p.importance,
        seed=p.seed,
        **more,
    )


def wire_dense(p: PruneParameters, run: Callable[..., R]) -> tuple[R, ...]:
    """The dense model on the validation split."""
    data, dense = wire_train(p, run)
    return data, dense, run(validate, data=data, model=dense)


def wire_candidate(
    p: PruneParameters, run: Callable[..., R], rungs: Sequence[int] = ()
) -> tuple[R, ...]:
    """From the data to the pruned and fine-tuned model on the validation split.

    Args:
        p: Resolved parameters with a one-shot target.
        run: As for `wire`.
        rungs: Rising numbers of epochs: fine-tuning is cut into parts that end there, and goes no
            further than the last. Empty: all epochs in one go.
    """
    data, dense = wire_train(p, run)
    model = after_first(p, run, data, dense)
    if not rungs:
        _, tuned = wire_rounds(p, run, data, model)
        return data, tuned, run(validate, data=data, model=tuned)
    pruned = prune_once(p, run, data, model, p.target)
    how: dict[str, Any] = {"data": data, "pruned": pruned, **tuning(p, model)}
    tuned = run(fine_tune_rung, until=rungs[0], **how)
    for until in rungs[1:]:
        tuned = run(fine_tune_rung, until=until, before=tuned, **how)
    if not p.target.cuts:
        tuned = run(prune_shrink, model=tuned, masks=pruned, data=data, subject="fine_tuned")
    return data, tuned, run(validate, data=data, model=tuned)
