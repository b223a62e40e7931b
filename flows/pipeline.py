"""Which stage gets what: the way of the data through the stages, for every flow that prunes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from secateur.flows.parameters import PruneParameters
from secateur.importance.names import BUILT_IN
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.schedule import rounds
from secateur.store import Reference
from secateur.tasks.check import check
from secateur.tasks.correct import correct
from secateur.tasks.data_card import show_data
from secateur.tasks.evaluate import evaluate
from secateur.tasks.explain import explain
from secateur.tasks.export import export
from secateur.tasks.fine_tune import fine_tune
from secateur.tasks.fine_tune_dynamic import fine_tune_dynamic
from secateur.tasks.fine_tune_gradual import fine_tune_gradual
from secateur.tasks.importance import importance
from secateur.tasks.load_data import load_data
from secateur.tasks.measure import measure
from secateur.tasks.prune import prune
from secateur.tasks.prune_latency import prune_latency
from secateur.tasks.prune_rewriting import prune_rewriting
from secateur.tasks.prune_shrink import prune_shrink
from secateur.tasks.prune_structure import prune_structure
from secateur.tasks.stage import Stage, StageResult
from secateur.tasks.train import train
from secateur.training.fit_config import FitConfig

R = TypeVar("R", bound=Reference)
T = TypeVar("T")

StageName = Literal[
    "load_data",
    "train",
    "importance",
    "prune",
    "correct",
    "fine_tune",
    "evaluate",
    "export",
    "measure",
    "explain",
]
STAGES: tuple[str, ...] = get_args(StageName)
"""The stages whose results are kept, and that `refresh` can name."""


class Outcome(NamedTuple):
    """What the stages of one run gave.

    Attributes:
        final: The artifact with the final model.
        evaluations: Those of `dense`, `pruned` and `fine_tuned`.
        exports: `files` of the final model, `dense_files` and `measured`, which compares them;
            empty where nothing is exported.
        results: What each stage gave, in order.
        explanation: That of `explain`, if it was run.
    """

    final: Reference
    evaluations: dict[str, Reference]
    exports: dict[str, Reference]
    results: list[StageResult]
    explanation: Reference | None = None


def wire(p: PruneParameters, run: Callable[..., R]) -> tuple[R, dict[str, R], dict[str, R]]:
    """Calls `run(stage, **arguments)` for each stage in order.

    Args:
        p: Resolved parameters.
        run: Gives a reference to the stage's artifact.

    Returns:
        What `run` gave for the final model, for the evaluations by subject, and for the exports.
    """
    data, dense = wire_train(p, run)
    way = _gradual if p.target.schedule == "gradual" else wire_rounds
    pruned, tuned = way(p, run, data, after_first(p, run, data, dense))
    subjects = {"dense": dense, "pruned": pruned, "fine_tuned": tuned}
    evaluations = {
        subject: run(evaluate, data=data, model=model, objective=p.objective, subject=subject)
        for subject, model in subjects.items()
    }
    return tuned, evaluations, _exports(p, run, data, dense, tuned)


def wire_explained(
    p: PruneParameters, run: Callable[..., R]
) -> tuple[R, dict[str, R], dict[str, R], R]:
    """The same, and then what pruning changed, which trials of a sweep do not need."""
    ran: list[tuple[Stage, dict[str, Any], R]] = []

    def noted(stage: Stage, **arguments: Any) -> R:
        ran.append((stage, arguments, run(stage, **arguments)))
        return ran[-1][-1]

    final, evaluations, exports = wire(p, noted)
    by_name = {stage.name: result for stage, _, result in ran}
    way, arguments, masked = [each for each in ran if each[0].name == "fine_tune"][-1]
    if way is fine_tune:  # the others choose masks themselves
        masked = arguments["pruned"]
    gradual = p.target.schedule == "gradual"
    explanation = run(
        explain,
        data=by_name["load_data"],
        dense=by_name["train"],
        tuned=final,
        scores=by_name["importance"] if has_scores(p) and not gradual else None,
        masks=None if p.target.cuts and not gradual else masked,
        fits=[result for stage, _, result in ran if stage.name in ("train", "fine_tune")],
        objective=p.objective,
    )
    return final, evaluations, exports, explanation


def _exports(
    p: PruneParameters, run: Callable[..., R], data: R, dense: R, tuned: R
) -> dict[str, R]:
    """The final model in the formats that are asked for, measured beside the dense one."""
    if not p.export.asked:
        return {}
    how = {"data": data, "seed": p.seed, "objective": p.objective}
    files = run(export, model=tuned, export=p.export, subject="fine_tuned", **how)
    timed = tuple(format for format in p.export.formats if format in ("litert", "onnx"))
    if not timed:
        return {"files": files}
    plain = p.export.model_copy(update={"formats": timed, "quantize": None, "clusters": None})
    beside = run(export, model=dense, export=plain, subject="dense", **how)
    models = {"dense": dense, "pruned": tuned}
    measured = run(measure, data=data, **models, dense_files=beside, pruned_files=files)
    return {"files": files, "dense_files": beside, "measured": measured}


def wire_train(p: PruneParameters, run: Callable[..., R]) -> tuple[R, R]:
    """The same, as far as the dense model: data and model."""
    data = run(load_data, dataset=p.dataset)
    return data, run(
        train, data=data, model=p.model, train=p.train, seed=p.seed, objective=p.objective
    )


def after_first(p: PruneParameters, run: Callable[..., R], data: R, dense: R) -> R:
    """The model that the targets before the last one leave: of most runs the dense one."""
    model = dense
    for target in p.first:
        _, model = wire_rounds(p.model_copy(update={"target": target}), run, data, model)
    return model


def wire_importance(p: PruneParameters, run: Callable[..., R]) -> tuple[R, ...]:
    """The same, as far as the scores of the dense model, where a run has them."""
    data, dense = wire_train(p, run)
    if p.target.schedule == "gradual" or not has_scores(p):
        return data, dense
    scores = run(importance, data=data, model=dense, **_scoring(p))
    return data, dense, scores


def wire_rounds(p: PruneParameters, run: Callable[..., R], data: R, dense: R) -> tuple[R, R]:
    """Schedules one_shot and iterative: the models pruned and fine-tuned in the last round."""
    model, pruned, before = dense, None, None
    targets = rounds(p.target, of_the_rest=p.target.cuts)
    after = tuning(p, dense) | _rewinding(p, dense)
    for number, target in enumerate(targets, start=1):
        label = {"round": number} if len(targets) > 1 else {}
        pruned = prune_once(p, run, data, model, target, before=before, **label)
        moves = p.fine_tune.dynamic.method != "none"
        way = fine_tune_dynamic if moves else fine_tune
        model = run(way, data=data, pruned=pruned, **after, **label)
        before = model if moves else pruned
    assert pruned is not None
    assert before is not None
    if not p.target.cuts:
        model = run(prune_shrink, model=model, masks=before, data=data, subject="fine_tuned")
    return pruned, model


def prune_once(
    p: PruneParameters,
    run: Callable[..., R],
    data: R,
    model: R,
    target: TargetConfig,
    before: R | None = None,
    **label: int,
) -> R:
    """A model scored, pruned by a one-shot target and mended; `before` has earlier masks."""
    how: dict[str, Any] = {"model": model, "target": target, **label}
    if has_scores(p):
        how["scores"] = run(importance, data=data, model=model, **_scoring(p), **label)
    if target.cuts:
        cut = prune_latency if target.measure == "latency" else prune_structure
        pruned = run(cut, data=data, **how, **_scoring(p))
    elif _is_method(p):
        norms: dict[str, Any] = {"examples": p.correct.examples} if p.correct.batch_norm else {}
        given = {"data": data, "importance": p.importance, "seed": p.seed, **norms}
        pruned = run(prune_rewriting, **given, **how)
    else:
        norms = {"data": data, "examples": p.correct.examples, "seed": p.seed}
        given = {"before": before} if before else {}
        pruned = run(prune, **how, **given, **(norms if p.correct.batch_norm else {}))
    if p.correct.acts:
        mending = {"correct": p.correct, "seed": p.seed}
        pruned = run(correct, data=data, model=model, pruned=pruned, **mending, **label)
    return pruned


def _gradual(p: PruneParameters, run: Callable[..., R], data: R, dense: R) -> tuple[R, R]:
    """Schedule gradual: fine-tuning prunes; `pruned` has its final masks without the training."""
    prunes = {"target": p.target, "importance": p.importance}
    masked = run(fine_tune_gradual, data=data, model=dense, **tuning(p, dense), **prunes)
    pruned = run(prune, model=dense, target=p.target, chosen=masked)
    shrinks = {"masks": masked, "whole": p.target.cuts, "data": data}
    if p.target.cuts:
        pruned = run(prune_shrink, model=pruned, **shrinks, subject="pruned")
    return pruned, run(prune_shrink, model=masked, **shrinks, subject="fine_tuned")


def _scoring(p: PruneParameters) -> dict[str, Any]:
    return {"importance": p.importance, "seed": p.seed, "objective": p.objective}


def tuning(p: PruneParameters, dense: Reference) -> dict[str, Any]:
    """Arguments of a fine-tuning that `dense` may teach."""
    # The seed is an argument of its own.
    settings = p.fine_tune.model_copy(update={"seed": None})
    given = {"fine_tune": settings, "seed": p.fine_tune.seed, "objective": p.objective}
    return given | ({"teacher": dense} if p.fine_tune.distill.used else {})


def _rewinding(p: PruneParameters, dense: Reference) -> dict[str, Any]:
    if p.fine_tune.rewind == "none":
        return {}
    shared = FitConfig(**p.train.model_dump(include=set(FitConfig.model_fields)))
    return {"rewound": shared, **({"early": dense} if p.fine_tune.rewind == "weights" else {})}


def has_scores(p: PruneParameters) -> bool:
    """Whether a run scores weights before it prunes."""
    return p.target.scored and not _is_method(p)


def _is_method(p: PruneParameters) -> bool:
    """Whether the criterion gives no scores but chooses and rewrites weights in one go."""
    criterion = BUILT_IN.get(p.importance.criterion)
    return criterion is not None and criterion.kind == "method"


def stage_runner(
    p: PruneParameters,
    refresh: Collection[str] = (),
    loaded: Callable[[StageResult], None] | None = None,
) -> tuple[Callable[..., StageResult], list[StageResult]]:
    """A function that runs stages, for the `wire` functions, and the list of what they gave.

    Args:
        p: Resolved parameters.
        refresh: Stages to run again though their results are in the store.
        loaded: Called with the data as soon as they are loaded.
    """
    done: list[StageResult] = []

    def run(stage: Stage, **arguments) -> StageResult:
        if stage is train and train.find(**arguments) is None:
            regularizers = (p.train.regularizer, p.fine_tune.regularizer)
            trainings = {"train": p.train, "fine_tune": p.fine_tune}
            check(arguments["data"], p.model, p.target, regularizers, trainings, p.objective)
        result = stage(refresh=stage.name in refresh, **arguments)
        done.append(result)
        if loaded and stage is load_data:
            loaded(result)
        return result

    return run, done


def run_stages(p: PruneParameters, refresh: Collection[str] = (), through=wire) -> Outcome:
    """Runs the stages, inside a flow or a task of one.

    Args:
        p: Resolved parameters.
        refresh: Stages to run again though their results are in the store.
        through: `wire`, `wire_explained`, or one that stops earlier; the outcome then has no
            evaluations.
    """
    alone = through is wire_explained  # and no trial of many
    run, done = stage_runner(p, refresh, show_data if alone else None)
    last = through(p, run)
    if through in (wire, wire_explained):
        final, evaluations, exports, *explanation = last
        return Outcome(final, evaluations, exports, done, *explanation)
    return Outcome(last[-1], {}, {}, done)


def look_up(stage: Stage, subject=None, round=None, **arguments) -> Reference:
    """A stage's result in the store, for the `wire` functions.

    Raises:
        LookupError: It is not there.
    """
    found = stage.find(**arguments)
    if found is None:
        raise LookupError
    return found


def find(p: PruneParameters) -> Outcome | None:
    """What a run would find if every stage's result is in the store; else None.

    Args:
        p: Resolved parameters.
    """
    found = find_through(wire, p)
    return None if found is None else Outcome(*found, [])


def find_through(through: Callable[..., T], p: PruneParameters) -> T | None:
    """What a part of the stages (`wire` and its like) gives from the store alone; else None."""
    try:
        return through(p, look_up)
    except LookupError:
        return None


def check_stages(refresh: Collection[str]) -> None:
    """Refuses a name in `refresh` that is no stage."""
    for name in refresh:
        if name not in STAGES:
            raise ValueError(f"refresh names {name!r}; stages are {', '.join(STAGES)}.")
