"""The end of a search: its path and its winner, into the output folder and the Prefect UI."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from secateur.evaluation.schema import Evaluation
from secateur.report.pareto import pareto_front
from secateur.report.search import (
    DenseModel,
    Drop,
    SearchReport,
    SearchStep,
    TrialOfSearch,
    Winner,
)
from secateur.report.search_files import write_search
from secateur.report.search_tables import search_summary, trial_table, winner_table
from secateur.report.sweep import spread
from secateur.searching.candidate import Outcome
from secateur.searching.goal import Goal
from secateur.searching.pattern_search import StepFound
from secateur.store import Reference
from secateur.tasks.announce import announce
from secateur.tasks.connection import shown_only
from secateur.tasks.data_card import faces_of, show_cards, slim_card
from secateur.tasks.stage import can_pass, read


class Final(NamedTuple):
    """The winner fine-tuned with one fresh seed.

    Attributes:
        seed: The seed of fine-tuning.
        config: Parameters of a run of `prune` that gives it, as plain JSON.
        model, evaluation: Its artifacts.
        costs: What it costs.
    """

    seed: int
    config: dict[str, Any]
    model: Reference
    evaluation: Reference
    costs: Mapping[str, float | None]


class Found(NamedTuple):
    """All that a search found.

    Attributes:
        objective: What shall be low; None if accuracy shall be high.
        data: The artifact of the data.
        dense_right: For each validation example whether the dense model is right.
        dense_costs, dense_evaluation: What the dense model costs, and its evaluation.
        steps: One a pattern.
        step: Place of the step whose candidate won.
        fresh: The winner's outcome on fresh seeds.
        finals: The winner, once a fresh seed.
        best: The one of them that is written.
        notices: What was left out, and why.
    """

    objective: str | None
    data: Reference
    dense_right: np.ndarray
    dense_costs: Mapping[str, float | None]
    dense_evaluation: Reference
    steps: Sequence[StepFound]
    step: int
    fresh: Outcome
    finals: Sequence[Final]
    best: Final
    notices: Sequence[str]


@task(
    name="report",
    task_run_name="report",
    cache_policy=NO_CACHE,
    retries=2,
    retry_condition_fn=can_pass,
)
def search_report(
    parameters: dict[str, Any], found: Found, output: Path, bar: float | None = None
) -> SearchReport:
    """Writes search.json, search.html, prune.yaml and model.keras; always runs.

    Args:
        parameters: Those of the search, as plain JSON.
        found: What it found.
        output: The output folder.
        bar: The lowest accuracy of the model that is good enough.
    """
    report = gather(parameters, found)
    faces = faces_of(found.data)
    model = read(found.best.model).directory / "model.keras"
    write_search(output, report, found.best.config, model, faces)
    get_run_logger().info(search_summary(report))
    with shown_only():
        _show_in_ui(report, output)
    show_cards(faces.cards)
    sparsity = 1 - (found.best.costs["nonzero"] or 0) / (found.dense_costs["nonzero"] or 1)
    facts = {"trials": sum(len(step.trials) for step in report.steps), "output": str(output)}
    announce(report.winner.test.mean, sparsity, bar, facts)
    return report


def to_markdown(report: SearchReport) -> str:
    """The winner beside the dense model, as a table."""
    header, rows = winner_table(report)
    ruled = [header, ["---"] * len(header), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in ruled)
    return f"# Search\n\n{search_summary(report)}\n\n{table}\n"


def gather(parameters: dict[str, Any], found: Found) -> SearchReport:
    """The report, not written yet."""
    dense = _accuracy(found.dense_evaluation)
    goal, fresh, best = found.steps[found.step].goal, found.fresh, found.best
    tests = [_accuracy(final.evaluation) for final in found.finals]
    lost = dense - _accuracy(best.evaluation)
    final_goal = found.steps[-1].goal
    allowed = final_goal.accuracy_drop
    budget = {} if allowed is None else {"accuracy_drop": allowed}
    return SearchReport(
        parameters=parameters,
        objective=found.objective,
        budget={**budget, **final_goal.limits},
        confidence=goal.confidence,
        strategy=parameters["search"]["strategy"],
        dense=DenseModel(
            validation=float(found.dense_right.mean()), test=dense, costs=dict(found.dense_costs)
        ),
        steps=[_step(step) for step in found.steps],
        winner=Winner(
            step=found.step,
            trial=fresh.candidate.number,
            name=fresh.candidate.name,
            seeds=[final.seed for final in found.finals],
            seed=best.seed,
            layers={layer: share for layer, share in fresh.candidate.layers.items() if share},
            drop=_drop(goal, fresh),
            certainty=None if goal.accuracy_drop is None else goal.certainty(fresh),
            validation=spread(float(run.mean()) for run in fresh.right),
            test=spread(tests),
            test_drop=dense - float(np.mean(tests)),
            costs=dict(best.costs),
        ),
        kept_on_test=all((best.costs[n] or 0) <= limit for n, limit in final_goal.limits.items())
        and (allowed is None or round(lost, 9) <= allowed),
        notices=list(found.notices),
        data_card=slim_card(found.data),
    )


def _step(found: StepFound) -> SearchStep:
    cost = found.goal.objective or next(iter(found.goal.limits))
    fresh = {outcome.candidate.number: outcome for outcome in found.fresh}
    trials = [_trial(found.goal, o, fresh.get(o.candidate.number)) for o in found.outcomes]
    tuned = [t for t in trials if t.validation is not None and t.tuned and t.costs.get(cost)]
    points = [(float(t.costs[cost] or 0), t.validation or 0.0) for t in tuned]
    return SearchStep(
        pattern=found.pattern,
        allowed=found.goal.accuracy_drop,
        limits=dict(found.goal.limits),
        cost=cost,
        sensitivity=found.sensitivity,
        trials=trials,
        front=[tuned[place].number for place in pareto_front(points)],
        chosen=found.chosen,
    )


def _trial(goal: Goal, outcome: Outcome, fresh: Outcome | None) -> TrialOfSearch:
    status, why = _status(goal, outcome)
    if fresh is not None and status == "kept":
        status = "refuted"
        why = f"It kept the budget, but not on fresh seeds: it {goal.failure(fresh)}."
    target = outcome.candidate.target
    return TrialOfSearch(
        number=outcome.candidate.number,
        name=outcome.candidate.name,
        tuned=outcome.candidate.tuned,
        target=target.model_dump(mode="json", exclude_defaults=True),
        status=status,
        why=why,
        seeds=len(outcome.right),
        validation=outcome.accuracy if outcome.right else None,
        drop=_drop(goal, outcome) if outcome.right else None,
        costs=dict(outcome.costs),
    )


def _status(goal: Goal, outcome: Outcome) -> tuple[Any, str]:
    if outcome.stopped:
        return "stopped", outcome.stopped
    if not outcome.candidate.tuned:
        fits = "within" if goal.within_limits(outcome) else "above"
        return "measured", f"Its costs are {fits} the limits; it was not fine-tuned."
    if goal.accuracy_drop is None:
        if goal.keeps(outcome):
            return "kept", "Its costs are within the limits."
        return "missed", "Its costs are above the limits."
    text = (
        f"A drop of {100 * outcome.drop.value:.2f} points and a margin of "
        f"{100 * goal.margin(outcome):.2f}; {100 * goal.accuracy_drop:.2f} are allowed."
    )
    return ("kept" if goal.keeps(outcome) else "missed"), text


def _drop(goal: Goal, outcome: Outcome) -> Drop:
    return Drop(value=outcome.drop.value, error=outcome.drop.error, margin=goal.margin(outcome))


def _accuracy(reference: Reference) -> float:
    text = (read(reference).directory / "evaluation.json").read_text()
    return next(iter(Evaluation.model_validate_json(text).cost.metrics.values()))


def _show_in_ui(report: SearchReport, output: Path) -> None:
    for place, step in enumerate(report.steps):
        header, rows = trial_table(step)
        table = [dict(zip(header, row, strict=True)) for row in rows]
        create_table_artifact(table, key=f"trials-{place + 1}", description=step.pattern)
    picture = base64.b64encode((output / "sensitivity.png").read_bytes()).decode()
    text = f"{to_markdown(report)}\n![Sensitivity](data:image/png;base64,{picture})\n"
    create_markdown_artifact(text, key="search", description=search_summary(report))
