"""Which stage gets what: the way of the data through the stages, for every flow that prunes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, TypeVar

from flows.parameters import PruneParameters
from secateur.store import Reference
from tasks.check import check
from tasks.evaluate import evaluate
from tasks.fine_tune import fine_tune
from tasks.importance import importance
from tasks.load_data import load_data
from tasks.prune import prune
from tasks.stage import Stage, StageResult
from tasks.train import train

R = TypeVar("R", bound=Reference)

STAGES = ("load_data", "train", "importance", "prune", "fine_tune", "evaluate")
"""The stages whose results are kept, and that `refresh` can name."""


class Outcome(NamedTuple):
    """What the stages of one run gave.

    Attributes:
        final: The artifact with the final model.
        evaluations: Those of `dense`, `pruned` and `fine_tuned`.
        results: What each stage gave, in order.
    """

    final: Reference
    evaluations: dict[str, Reference]
    results: list[StageResult]


def wire(p: PruneParameters, run: Callable[..., R]) -> tuple[R, dict[str, R]]:
    """Calls `run(stage, **arguments)` for each stage in order.

    Args:
        p: Resolved parameters.
        run: Gives a reference to the stage's artifact.

    Returns:
        What `run` gave for the final model, and for the evaluations by subject.
    """
    data, dense, scores = wire_importance(p, run)
    pruned = run(prune, model=dense, scores=scores, target=p.target)
    tuned = run(
        fine_tune,
        data=data,
        pruned=pruned,
        fine_tune=p.fine_tune.model_copy(update={"seed": None}),  # it is the next argument
        seed=p.fine_tune.seed,
    )
    subjects = {"dense": dense, "pruned": pruned, "fine_tuned": tuned}
    evaluations = {
        subject: run(evaluate, data=data, model=model, subject=subject)
        for subject, model in subjects.items()
    }
    return tuned, evaluations


def wire_train(p: PruneParameters, run: Callable[..., R]) -> tuple[R, R]:
    """The same, as far as the dense model: data and model."""
    data = run(load_data, dataset=p.dataset)
    return data, run(train, data=data, model=p.model, train=p.train, seed=p.seed)


def wire_importance(p: PruneParameters, run: Callable[..., R]) -> tuple[R, R, R]:
    """The same, as far as the scores: data, dense model and scores."""
    data, dense = wire_train(p, run)
    scores = run(importance, data=data, model=dense, importance=p.importance, seed=p.seed)
    return data, dense, scores


def run_stages(p: PruneParameters, refresh: Collection[str] = (), through=wire) -> Outcome:
    """Runs the stages, inside a flow or a task of one.

    Args:
        p: Resolved parameters.
        refresh: Stages to run again though their results are in the store.
        through: `wire`, or one that stops earlier; the outcome then has no evaluations.
    """
    done: list[StageResult] = []

    def run(stage: Stage, **arguments) -> StageResult:
        if stage is train and stage.find(**arguments) is None:
            check(arguments["data"], p.model, p.target)
        result = stage(refresh=stage.name in refresh, **arguments)
        done.append(result)
        return result

    last = through(p, run)
    if through is wire:
        final, evaluations = last
        return Outcome(final, evaluations, done)
    return Outcome(last[-1], {}, done)


def find(p: PruneParameters) -> Outcome | None:
    """What a run would find if every stage's result is in the store; else None.

    Args:
        p: Resolved parameters.
    """

    def look_up(stage: Stage, subject: str | None = None, **arguments) -> Reference:
        found = stage.find(**arguments)
        if found is None:
            raise LookupError
        return found

    try:
        final, evaluations = wire(p, look_up)
    except LookupError:
        return None
    return Outcome(final, evaluations, [])


def check_stages(refresh: Collection[str]) -> None:
    """Refuses a name in `refresh` that is no stage."""
    for name in refresh:
        if name not in STAGES:
            raise ValueError(f"refresh names {name!r}; stages are {', '.join(STAGES)}.")
