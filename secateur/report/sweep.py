"""`sweep.json` as typed objects: the trials, their means over seeds, and what is worth its cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.card.schema import Card
from secateur.evaluation.schema import Cost, Evaluation, Score
from secateur.report.pareto import pareto_front

COSTS: dict[str, Callable[[Cost], float | None]] = {
    "nonzero": lambda cost: cost.nonzero,
    "parameters": lambda cost: cost.parameters,
    "flops": lambda cost: cost.flops,
    "bytes": lambda cost: cost.bytes["keras"].raw,
    "bytes_gzip": lambda cost: cost.bytes["keras"].gzip,
}
"""What a model costs: name in `sweep.json` and how it is read from a report's cost."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class TrialRecord(_Part):
    """One trial: what was asked, and what came out."""

    name: str = Field(description="Its values on the axes, in short.")
    values: dict[str, Any] = Field(description="Its values on the axes, by dotted parameter.")
    variant: int = Field(description="Place of its variant in `variants`.")
    status: Literal["done", "failed"] = Field(description="Whether it has a result.")
    error: str | None = Field(None, description="Why it failed, in one sentence.")
    key: str | None = Field(None, description="Key of its final model in the store.")
    sparsity: float | None = Field(None, description="Zeros / prunable weights.")
    validation: Score | None = Field(None, description="The final model on the validation split.")
    dense: Cost | None = Field(None, description="The model before pruning.")
    pruned: Cost | None = Field(None, description="Right after pruning.")
    fine_tuned: Cost | None = Field(None, description="At the end.")


class Spread(_Part):
    """A figure over the trials of a variant."""

    mean: float
    std: float = Field(description="Standard deviation of the sample; 0 of a single trial.")
    trials: int = Field(description="How many trials it stands on.")


class Variant(_Part):
    """Trials that differ in seeds alone."""

    name: str = Field(description="Its values, in short.")
    values: dict[str, Any] = Field(description="Its values on the axes, without seeds.")
    figures: dict[str, Spread] = Field(
        description="validation and test (the first metric on each split), sparsity, and each "
        "cost; empty if all its trials failed."
    )
    model: str | None = Field(None, description="File of its best model, if it is on a front.")


class SweepReport(_Part):
    """What a sweep found out."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this contract.")
    parameters: dict[str, Any] = Field(description="What all trials share.")
    axes: dict[str, list[Any]] = Field(description="Values by dotted parameter.")
    metric: str = Field(description="Name of the metric that says what a model is worth.")
    higher: bool = Field(True, description="Whether a higher value of that metric is better.")
    dense: dict[str, Spread] = Field(description="The dense models' figures, over all of them.")
    trials: list[TrialRecord]
    variants: list[Variant]
    fronts: dict[str, list[int]] = Field(
        description="For each cost the variants that no other beats in it and in the validation "
        "metric (means over seeds), by rising cost."
    )
    notices: list[str] = Field(description="What was left out or failed, and why.")
    data_cards: tuple[Card, ...] = Field(
        default=(),
        description="What was understood of the data, as `secateur data` tells it, once for each "
        "data set; without the pictures of samples.",
    )

    def to_json(self) -> str:
        """The text of `sweep.json`."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    @property
    def on_a_front(self) -> list[int]:
        """The variants that are on the front of a cost in which variants differ."""
        found: dict[int, None] = {}
        for cost, front in self.fronts.items():
            means = {v.figures[cost].mean for v in self.variants if cost in v.figures}
            if len(means) > 1 or len(self.variants) == 1:
                found.update(dict.fromkeys(front))
        return sorted(found)


def done(
    name: str,
    values: dict[str, Any],
    variant: int,
    key: str,
    evaluations: dict[str, Evaluation],
) -> TrialRecord:
    """The record of a trial that has a result."""
    final = evaluations["fine_tuned"]
    # Units that came out all zero are gone from the final model, and their zeros with them.
    costs = (evaluations["pruned"].cost, final.cost)
    return TrialRecord(
        name=name,
        values=values,
        variant=variant,
        status="done",
        key=key,
        sparsity=max(1 - cost.nonzero / cost.prunable for cost in costs),
        validation=final.validation,
        **{subject: evaluation.cost for subject, evaluation in evaluations.items()},
    )


def figures_of(records: Iterable[TrialRecord]) -> dict[str, Spread]:
    """Means and standard deviations over the trials of one variant that have a result."""
    records = [record for record in records if record.status == "done"]
    if not records:
        return {}
    finals = [record.fine_tuned for record in records if record.fine_tuned]
    figures = {"test": spread(_first(final.metrics) for final in finals)}
    if all(record.validation for record in records):
        figures["validation"] = spread(
            _first(record.validation.metrics) for record in records if record.validation
        )
    figures["sparsity"] = spread(record.sparsity or 0.0 for record in records)
    for name, read in COSTS.items():
        values = [read(final) for final in finals]
        if all(value is not None for value in values):
            figures[name] = spread(value for value in values if value is not None)
    return figures


def dense_figures(records: Iterable[TrialRecord]) -> dict[str, Spread]:
    """The same of the dense models, each counted once."""
    models = {record.dense.model_dump_json(): record.dense for record in records if record.dense}
    if not models:
        return {}
    costs = list(models.values())
    figures = {"test": spread(_first(cost.metrics) for cost in costs)}
    for name, read in COSTS.items():
        values = [value for cost in costs if (value := read(cost)) is not None]
        if len(values) == len(costs):
            figures[name] = spread(values)
    return figures


def spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation of a sample that is not empty."""
    values = [float(value) for value in values]
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    return Spread(mean=statistics.fmean(values), std=std, trials=len(values))


def fronts_of(variants: list[Variant], higher: bool = True) -> dict[str, list[int]]:
    """For each cost, the variants that no other beats; worth is the validation metric.

    Args:
        variants: All of them.
        higher: Whether a higher metric is better; of an error a lower one is.
    """
    fronts, sign = {}, 1 if higher else -1
    for cost in COSTS:
        places = [
            place
            for place, variant in enumerate(variants)
            if cost in variant.figures and "validation" in variant.figures
        ]
        points = [
            (variants[place].figures[cost].mean, sign * variants[place].figures["validation"].mean)
            for place in places
        ]
        fronts[cost] = [places[i] for i in pareto_front(points)]
    return fronts


def best_trial(records: Iterable[TrialRecord], higher: bool = True) -> TrialRecord:
    """The one with the best validation metric, of those that have a result; the first of equals."""
    return (max if higher else min)(
        (record for record in records if record.validation),
        key=lambda record: _first(record.validation.metrics) if record.validation else 0.0,
    )


def _first(metrics: dict[str, float]) -> float:
    return next(iter(metrics.values()))
