"""The end of a sweep: what the trials found, into the output folder and the Prefect UI."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from secateur.evaluation.schema import Evaluation
from secateur.report.sweep import (
    SweepReport,
    TrialRecord,
    Variant,
    best_trial,
    dense_figures,
    done,
    figures_of,
    fronts_of,
)
from secateur.report.sweep_files import write_sweep
from secateur.report.sweep_tables import front_table, sweep_summary, variant_table
from secateur.store import Reference
from secateur.tasks.announce import announce
from secateur.tasks.connection import shown_only
from secateur.tasks.data_card import card_of, faces_of, show_cards
from secateur.tasks.stage import can_pass, read


@dataclass(frozen=True)
class TrialOutcome:
    """A trial and where its results are.

    Attributes:
        name: Its values in short.
        values: Its values on the axes.
        variant: Those without seeds.
        error: One sentence if it failed.
        final: The artifact of its final model; None if it failed.
        evaluations: Those of `dense`, `pruned` and `fine_tuned`; empty if it failed.
        data: The artifact of its data; None if it failed.
    """

    name: str
    values: Mapping[str, Any]
    variant: Mapping[str, Any]
    error: str | None
    final: Reference | None
    evaluations: Mapping[str, Reference]
    data: Reference | None = None


@task(
    name="report",
    task_run_name="report",
    cache_policy=NO_CACHE,
    retries=2,
    retry_condition_fn=can_pass,
)
def sweep_report(
    parameters: dict[str, Any],
    axes: dict[str, list[Any]],
    outcomes: Sequence[TrialOutcome],
    notices: Sequence[str],
    output: Path,
    bar: float | None = None,
) -> SweepReport:
    """Writes sweep.json, sweep.html and the best models; always runs.

    Args:
        parameters: What all trials share, as plain JSON.
        axes: Values by dotted parameter.
        outcomes: The trials, in order.
        notices: What was left out, and why.
        output: The output folder.
        bar: The value of the metric that the best variant has to reach.

    Raises:
        RuntimeError: If every trial failed; one sentence with the first error.
    """
    report, models = _gather(parameters, axes, outcomes, notices)
    files = {
        place: read(reference).directory / "model.keras" for place, reference in models.items()
    }
    faces = faces_of(*_data(outcomes))
    report = write_sweep(output, report, files, faces)
    get_run_logger().info(sweep_summary(report))
    with shown_only():
        _show_in_ui(report, output)
    show_cards(faces.cards)
    _announce(report, bar, output)
    return report


def preview(parameters, axes, outcomes, notices) -> SweepReport:
    """The report, not written yet; the arguments and errors are those of `sweep_report`."""
    return _gather(parameters, axes, outcomes, notices)[0]


def to_markdown(report: SweepReport) -> str:
    """What is worth its cost, as a table."""
    header, rows = front_table(report)
    ruled = [header, ["---"] * len(header), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in ruled)
    return f"# Sweep\n\n{sweep_summary(report)}\n\n{table}\n"


def _gather(parameters, axes, outcomes, notices) -> tuple[SweepReport, dict[int, Reference]]:
    """The report, and the artifacts of the best models of the variants on a front."""
    if all(outcome.error for outcome in outcomes):
        raise RuntimeError(
            f"all {len(outcomes)} trials failed; the first ({outcomes[0].name}): "
            f"{outcomes[0].error}"
        )
    keys = [json.dumps(outcome.variant, sort_keys=True) for outcome in outcomes]
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    found = [_record(o, places[key]) for o, key in zip(outcomes, keys, strict=True)]
    records = [record for record, _ in found]
    higher = all(better for _, better in found)
    members: list[list[TrialRecord]] = [[] for _ in places]
    for record in records:
        members[record.variant].append(record)
    variants = [
        Variant(name=_short(json.loads(key)), values=json.loads(key), figures=figures_of(trials))
        for key, trials in zip(places, members, strict=True)
    ]
    metric = next(name for r in records if r.fine_tuned for name in r.fine_tuned.metrics)
    report = SweepReport(
        parameters=parameters,
        axes=axes,
        metric=metric,
        higher=higher,
        dense=dense_figures(records),
        trials=records,
        variants=variants,
        fronts=fronts_of(variants, higher),
        notices=[*notices, *(f"{r.name} failed: {r.error}" for r in records if r.error)],
        data_cards=tuple(card_of(data).without_pictures() for data in _data(outcomes)),
    )
    finals = {outcome.final.key: outcome.final for outcome in outcomes if outcome.final}
    best = {place: best_trial(members[place], higher).key or "" for place in report.on_a_front}
    return report, {place: finals[key] for place, key in best.items()}


def _data(outcomes: Sequence[TrialOutcome]) -> list[Reference]:
    """The data sets of the trials, each once."""
    return list({outcome.data.key: outcome.data for outcome in outcomes if outcome.data}.values())


def _record(outcome: TrialOutcome, variant: int) -> tuple[TrialRecord, bool]:
    """The record, and whether a higher metric is better, as far as the trial tells."""
    if outcome.error or outcome.final is None:
        failed = TrialRecord(
            name=outcome.name,
            values=dict(outcome.values),
            variant=variant,
            status="failed",
            error=outcome.error,
        )
        return failed, True
    found = {
        subject: Evaluation.model_validate_json(
            (read(reference).directory / "evaluation.json").read_text()
        )
        for subject, reference in outcome.evaluations.items()
    }
    record = done(outcome.name, dict(outcome.values), variant, outcome.final.key, found)
    return record, found["fine_tuned"].higher


def _short(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in values.items()) or "all"


def _show_in_ui(report: SweepReport, output: Path) -> None:
    header, rows = front_table(report)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    create_table_artifact(table, key="pareto", description="Variants that are worth their cost")
    header, rows = variant_table(report)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    create_table_artifact(table, key="variants", description="All variants of the sweep")
    picture = base64.b64encode((output / "sweep.png").read_bytes()).decode()
    text = (
        f"# Sweep\n\n{sweep_summary(report)}\n\n"
        f"![Accuracy against cost](data:image/png;base64,{picture})\n\n"
        f"Files: `{output}/sweep.json`, `{output}/sweep.html`, `{output}/models`\n"
    )
    create_markdown_artifact(text, key="sweep", description="Accuracy against cost")


def _announce(report: SweepReport, bar: float | None, output: Path) -> None:
    """Tells of the variant that is best on the validation split, where there is one."""
    finished = [variant for variant in report.variants if variant.figures]
    split = "validation" if all("validation" in v.figures for v in finished) else "test"
    choose = max if report.higher else min
    best = choose(finished, key=lambda variant: variant.figures[split].mean).figures
    facts = {
        "trials": len(report.trials),
        "failed": sum(trial.status == "failed" for trial in report.trials),
        "output": str(output),
    }
    announce(best["test"].mean, best["sparsity"].mean, bar, facts, report.metric, report.higher)
