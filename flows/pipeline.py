"""Which stage gets what: the way of the data through the stages, for every flow that prunes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from flows.parameters import PruneParameters
from secateur.importance.names import BUILT_IN
from secateur.sparsity.schedule import rounds
from secateur.store import Reference
from tasks.check import check
from tasks.evaluate import evaluate
from tasks.explain import explain
from tasks.fine_tune import fine_tune
from tasks.fine_tune_gradual import fine_tune_gradual
from tasks.importance import importance
from tasks.load_data import load_data
from tasks.prune import prune
from tasks.prune_rewriting import prune_rewriting
from tasks.prune_structure import prune_structure
from tasks.stage import Stage, StageResult
from tasks.train import train

R = TypeVar("R", bound=Reference)

StageName = Literal["load_data", "train", "importance", "prune", "fine_tune", "evaluate", "explain"]
STAGES: tuple[str, ...] = get_args(StageName)
"""The stages whose results are kept, and that `refresh` can name."""


class Outcome(NamedTuple):
    """What the stages of one run gave.

    Attributes:
        final: The artifact with the final model.
        evaluations: Those of `dense`, `pruned` and `fine_tuned`.
        explanation: That of `explain`, if it was run.
        results: What each stage gave, in order.
    """

    final: Reference
    evaluations: dict[str, Reference]
    explanation: Reference | None
    results: list[StageResult]


class _Ways(NamedTuple):
    """What pruning and fine-tuning gave: models, the last scores if any, and each training."""

    pruned: Any
    tuned: Any
    scores: Any
    fits: list


def wire(p: PruneParameters, run: Callable[..., R]) -> tuple[R, dict[str, R], R | None]:
    """Calls `run(stage, **arguments)` for each stage that a trial needs, in order.

    Args:
        p: Resolved parameters.
        run: Gives a reference to the stage's artifact.

    Returns:
        What `run` gave for the final model, for the evaluations by subject, and for the stage
        `explain`.
    """
    return _wire(p, run, explained=False)


def wire_explained(p: PruneParameters, run: Callable[..., R]) -> tuple[R, dict[str, R], R | None]:
    """The same, and then what pruning changed."""
    return _wire(p, run, explained=True)


def _wire(p: PruneParameters, run: Callable[..., R], explained: bool):
    data, dense = wire_train(p, run)
    way = _gradual if p.target.schedule == "gradual" else _in_rounds
    ways = way(p, run, data, dense)
    subjects = {"dense": dense, "pruned": ways.pruned, "fine_tuned": ways.tuned}
    evaluations = {
        subject: run(evaluate, data=data, model=model, subject=subject)
        for subject, model in subjects.items()
    }
    if not explained:
        return ways.tuned, evaluations, None
    fits = [dense, *ways.fits]
    models = {"dense": dense, "pruned": ways.pruned, "tuned": ways.tuned}
    explanation = run(explain, data=data, **models, scores=ways.scores, fits=fits)
    return ways.tuned, evaluations, explanation


def wire_train(p: PruneParameters, run: Callable[..., R]) -> tuple[R, R]:
    """The same, as far as the dense model: data and model."""
    data = run(load_data, dataset=p.dataset)
    return data, run(train, data=data, model=p.model, train=p.train, seed=p.seed)


def wire_importance(p: PruneParameters, run: Callable[..., R]) -> tuple[R, ...]:
    """The same, as far as the scores of the dense model, where a run has them."""
    data, dense = wire_train(p, run)
    if p.target.schedule == "gradual" or not _has_scores(p):
        return data, dense
    scores = run(importance, data=data, model=dense, importance=p.importance, seed=p.seed)
    return data, dense, scores


def _in_rounds(p: PruneParameters, run: Callable[..., R], data: R, dense: R) -> _Ways:
    """Schedules one_shot and iterative: the models pruned and fine-tuned in the last round."""
    model, pruned, fits = dense, None, []
    targets = rounds(p.target, of_the_rest=p.target.cuts)
    for number, target in enumerate(targets, start=1):
        label = {"round": number} if len(targets) > 1 else {}
        scoring = {"data": data, "importance": p.importance, "seed": p.seed}
        how: dict[str, Any] = {"model": model, "target": target, **label}
        if _has_scores(p):
            how["scores"] = run(importance, model=model, **scoring, **label)
        if target.cuts:
            pruned = run(prune_structure, **how, **scoring)
        elif _is_method(p):
            pruned = run(prune_rewriting, **how, **scoring)
        else:
            pruned = run(prune, **how, **({"before": pruned} if pruned else {}))
        model = run(fine_tune, data=data, pruned=pruned, **_tuning(p), **label)
        fits.append(model)
    return _Ways(pruned, model, how.get("scores"), fits)


def _gradual(p: PruneParameters, run: Callable[..., R], data: R, dense: R) -> _Ways:
    """Schedule gradual: fine-tuning prunes; `pruned` has its final masks without the training."""
    prunes = {"target": p.target, "importance": p.importance}
    tuned = run(fine_tune_gradual, data=data, model=dense, **_tuning(p), **prunes)
    pruned = run(prune, model=dense, target=p.target, chosen=tuned)
    return _Ways(pruned, tuned, None, [tuned])


def _tuning(p: PruneParameters) -> dict[str, Any]:
    # The seed is an argument of its own.
    settings = p.fine_tune.model_copy(update={"seed": None})
    return {"fine_tune": settings, "seed": p.fine_tune.seed}


def _has_scores(p: PruneParameters) -> bool:
    """Whether a run scores weights before it prunes."""
    ranked = p.target.pattern != "layer" or p.target.rank_layers == "scores"
    return ranked and not _is_method(p)


def _is_method(p: PruneParameters) -> bool:
    """Whether the criterion gives no scores but chooses and rewrites weights in one go."""
    criterion = BUILT_IN.get(p.importance.criterion)
    return criterion is not None and criterion.kind == "method"


def run_stages(p: PruneParameters, refresh: Collection[str] = (), through=wire) -> Outcome:
    """Runs the stages, inside a flow or a task of one.

    Args:
        p: Resolved parameters.
        refresh: Stages to run again though their results are in the store.
        through: `wire_explained`, `wire`, or one that stops earlier; the outcome then has no
            evaluations.
    """
    done: list[StageResult] = []

    def run(stage: Stage, **arguments) -> StageResult:
        if stage is train and train.find(**arguments) is None:
            check(arguments["data"], p.model, p.target)
        result = stage(refresh=stage.name in refresh, **arguments)
        done.append(result)
        return result

    last = through(p, run)
    if through in (wire, wire_explained):
        final, evaluations, explanation = last
        return Outcome(final, evaluations, explanation, done)
    return Outcome(last[-1], {}, None, done)


def find(p: PruneParameters, through=wire) -> Outcome | None:
    """What a run would find if every stage's result is in the store; else None.

    Args:
        p: Resolved parameters.
        through: `wire` or `wire_explained`.
    """

    def look_up(stage: Stage, subject=None, round=None, **arguments) -> Reference:
        found = stage.find(**arguments)
        if found is None:
            raise LookupError
        return found

    try:
        final, evaluations, explanation = through(p, look_up)
    except LookupError:
        return None
    return Outcome(final, evaluations, explanation, [])


def check_stages(refresh: Collection[str]) -> None:
    """Refuses a name in `refresh` that is no stage."""
    for name in refresh:
        if name not in STAGES:
            raise ValueError(f"refresh names {name!r}; stages are {', '.join(STAGES)}.")
