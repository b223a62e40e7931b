"""`secateur.search` and `secateur.sensitivity`: models are trained and measured in this process."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.datasets.given import Arrays, read
from secateur.importance.names import BUILT_IN, DEFAULT
from secateur.importance.scoring import score
from secateur.models.weights import content_digest
from secateur.pruning import Pruned, prune
from secateur.searching.candidate import Candidate, Outcome, mean_costs
from secateur.searching.config import BudgetConfig, Objective, SearchConfig
from secateur.searching.curves import Sensitivity
from secateur.searching.deciding import search as decide
from secateur.searching.noise import Estimate, drop
from secateur.searching.pattern_search import StepFound
from secateur.searching.prediction import Predictor
from secateur.searching.problem import Problem, check_patterns, usual_pattern
from secateur.searching.schema import Waypoints
from secateur.searching.sensitivity import sensitivity as measure_sensitivity
from secateur.searching.sensitivity_config import SensitivityConfig
from secateur.searching.target_config import SearchTarget
from secateur.searching.validation import check_labels, costs_of
from secateur.searching.waypoints import by_loss, by_ratio
from secateur.sparsity.config import TargetConfig
from secateur.store import digest_of


@dataclass(frozen=True)
class Searched:
    """What `search` found.

    Attributes:
        pruned: The winner, fine-tuned with the best of the fresh seeds.
        target: How it was pruned.
        outcome: Of the winner on the fresh seeds: costs, right answers and drop of accuracy.
        dense: What the given model costs, by the names of `outcome.costs`.
        steps: One a pattern: all candidates with their outcomes.
        notices: What was left out, and why.
    """

    pruned: Pruned
    target: TargetConfig
    outcome: Outcome
    dense: Mapping[str, float | None]
    steps: Sequence[StepFound]
    notices: Sequence[str]

    @property
    def model(self) -> keras.Model:
        """The winner."""
        return self.pruned.model

    def __str__(self) -> str:
        costs = self.outcome.costs
        lines = [f"{self.outcome.candidate.name}: {100 * self.outcome.drop.value:.2f} points lost"]
        for name, value in costs.items():
            dense = self.dense.get(name)
            if value and dense:
                lines.append(f"{name}: {dense:,.4g} -> {value:,.4g} ({dense / value:.1f} times)")
        return "\n".join([*lines, *self.notices])


def search(
    model: keras.Model,
    data: Any,
    validation: Any,
    *,
    minimize: Objective | None = None,
    criterion: str = DEFAULT,
    epochs: int = 0,
    batch_size: int = 32,
    seed: int = 0,
    search: SearchConfig | None = None,
    sensitivity: SensitivityConfig | None = None,
    target: SearchTarget | None = None,
    **budget: Any,
) -> Searched:
    """Finds the cheapest model within a drop of accuracy, or the most accurate one that fits.

        found = secateur.search(model, (x, y), (x_val, y_val), accuracy_drop=0.01, epochs=3)
        found.model.save("small.keras")

    Args:
        model: A built and compiled classifier; it stays as it is.
        data: Training data, as for `secateur.prune`.
        validation: `(x, y)` as arrays, with one whole-number label for each example: every choice
            is made on it.
        minimize: With `accuracy_drop`: what shall be low, `bytes` (by default), `parameters`,
            `flops` or `latency_ms`.
        criterion: What a weight is worth; one that gives scores.
        epochs: Of fine-tuning each candidate.
        batch_size: Examples a step of fine-tuning, where `data` are not batched.
        seed: Of all that is drawn.
        search: How it looks: strategy, seeds, confidence.
        sensitivity: How the effect of each layer is measured.
        target: What may go, and where.
        **budget: One of `accuracy_drop`, or some of `flops` (a share), `bytes` and `latency_ms`.

    Returns:
        The winner, and all that was tried.

    Raises:
        ValueError: One sentence on what does not fit, before any work where that can be known.
        RuntimeError: Nothing keeps the budget; the sentence says what comes nearest.
    """
    allowed = BudgetConfig(**budget)
    settings, scope = search or SearchConfig(), target or SearchTarget()
    _check(model, allowed, minimize, criterion)
    low = None if allowed.accuracy_drop is None else minimize or "bytes"
    wanted = [low] if low else list(allowed.limits)
    if not scope.pattern:
        scope = scope.model_copy(update={"pattern": (usual_pattern(wanted),)})
    check_patterns(wanted, scope.targets(), "minimize" if low else "budget")
    problem = Problem(allowed, low, scope.targets(), settings, epochs, seed=seed, tuning_seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        if settings.strategy in ("tpe", "nsga2"):
            storage = settings.study or str(Path(folder) / "study.log")
            problem = replace(problem, storage=storage)
        trainer = _Trainer(
            model,
            read(data, batch_size=batch_size),
            validation,
            problem,
            {"criterion": criterion, "epochs": epochs, "batch_size": batch_size},
            sensitivity or SensitivityConfig(),
        )
        decided = decide(problem, trainer)
    start, fresh = decided.start, decided.fresh
    assert isinstance(start, _Start)
    best = problem.fresh_seeds[int(np.argmax([run.mean() for run in fresh.right]))]
    return Searched(
        start.trained(fresh.candidate, best),
        fresh.candidate.target,
        fresh,
        trainer.costs,
        decided.steps,
        decided.notices,
    )


def sensitivity(
    model: keras.Model,
    data: Any,
    validation: Any,
    *,
    pattern: str = "weight",
    criterion: str = DEFAULT,
    seed: int = 0,
    sensitivity: SensitivityConfig | None = None,
    **target: Any,
) -> Sensitivity:
    """Prunes each layer alone at several ratios, and sees what it does to the accuracy.

    Args:
        model: A built and compiled classifier; it ends as it was.
        data: Training data for the scores, as for `secateur.prune`.
        validation: `(x, y)` as arrays, with one whole-number label for each example.
        pattern: What goes together: `weight`, N:M, blocks, `channel`, `head` or `layer`.
        criterion: What a weight is worth; one that gives scores.
        seed: Of all that is drawn.
        sensitivity: The ratios, and where a curve ends.
        **target: Other fields of `secateur.searching.target_config.SearchTarget`.

    Returns:
        One curve a layer, in the order of the model.

    Raises:
        ValueError: One sentence on what does not fit.
    """
    _check_model(model, criterion)
    (scope,) = SearchTarget(pattern=(pattern,), **target).targets()
    given, asked = _labelled(validation), sensitivity or SensitivityConfig()
    scores = score(model, read(data), criterion, seed=seed) if scope.scored else None
    return _curves(model, scores, scope, given, asked, seed)


def _labelled(validation: Any) -> Arrays:
    """Inputs, and one whole-number label for each."""
    given = read(validation)
    if not isinstance(given, Arrays) or not isinstance(given.y, np.ndarray):
        raise ValueError("validation must be a tuple (x, y) of arrays: every choice is on it.")
    labels = given.y[:, 0] if given.y.ndim == 2 and given.y.shape[1] == 1 else given.y
    check_labels(labels)
    return given._replace(y=labels)


def _loss(model: keras.Model) -> Any:
    return keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss


def _curves(
    model: keras.Model,
    scores: Any,
    target: TargetConfig,
    validation: Arrays,
    asked: SensitivityConfig,
    seed: int,
) -> Sensitivity:
    return measure_sensitivity(
        model,
        scores,
        target,
        (validation.x, validation.y),
        loss=_loss(model),
        ratios=asked.ratios,
        stop=asked.stop,
        examples=asked.examples,
        seed=seed,
    )


def _check(model: keras.Model, budget: BudgetConfig, minimize: str | None, criterion: str) -> None:
    _check_model(model, criterion)
    if budget.accuracy_drop is None and not budget.limits:
        raise ValueError(
            "No budget is given: pass accuracy_drop, such as 0.005, or what the device can hold: "
            "flops (a share), bytes or latency_ms."
        )
    if budget.accuracy_drop is not None and budget.limits:
        raise ValueError(
            "accuracy_drop asks for the cheapest model, and "
            f"{next(iter(budget.limits))} for the most accurate; pass one of them."
        )
    if minimize and budget.limits:
        raise ValueError(
            f"minimize is {minimize!r}, but with {next(iter(budget.limits))} the most accurate "
            "model is looked for; leave minimize out, or pass accuracy_drop."
        )


def _check_model(model: keras.Model, criterion: str) -> None:
    if not model.compiled:
        raise ValueError("The model is not compiled, so that its loss is not known; call compile.")
    known = BUILT_IN.get(criterion)
    if known is not None and known.kind == "method":
        raise ValueError(
            f"Criterion {criterion!r} gives no scores that layers could be compared by; use "
            "another, such as 'magnitude'."
        )


class _Trainer:
    """An `Evaluator` that trains in this process."""

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        validation: Any,
        problem: Problem,
        how: Mapping[str, Any],
        sensitivity: SensitivityConfig,
    ) -> None:
        self.model, self.data, self.validation = model, data, _labelled(validation)
        self.problem, self.how, self.sensitivity = problem, how, sensitivity
        self.right = self.answers(model)

    @functools.cached_property
    def costs(self) -> Mapping[str, float | None]:
        return self.measure(self.model)

    def start(self, place: int, first: Sequence[TargetConfig]) -> _Start:
        model, seed = self.model, self.problem.tuning_seed
        for target in first:
            model = self.prune(model, target, seed, self.problem.epochs).model
        return _Start(self, model, self.problem.targets[place])

    def prune(self, model: keras.Model, target: TargetConfig, seed: int, epochs: int) -> Pruned:
        """Pruned by a one-shot target, and fine-tuned."""
        keras.utils.set_random_seed(seed)
        fields = {**target.model_dump(exclude_defaults=True), **self.how, "epochs": epochs}
        return prune(model, self.data, seed=seed, **fields)

    def answers(self, model: keras.Model) -> np.ndarray:
        """For each validation example whether the model is right."""
        outputs = np.asarray(model.predict(self.validation.x, batch_size=256, verbose=0))
        if outputs.ndim != 2 or len(outputs) != len(self.validation.y):
            raise ValueError(
                f"The model gives outputs of the shape {outputs.shape}; a search compares shares "
                "of right answers, of a classifier with one output for each class."
            )
        return outputs.argmax(-1) == self.validation.y

    def measure(self, model: keras.Model) -> dict[str, float | None]:
        """What a model costs, milliseconds where they count."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            costs = costs_of(model, path).model_dump()
        if self.problem.timed:
            from secateur.evaluation.litert_latency import litert_latency

            found = litert_latency({"dense": self.model, "model": model})
            costs["latency_ms"] = self._dense_ms * found["model"].median / found["dense"].median
        return costs

    @functools.cached_property
    def _dense_ms(self) -> float:
        from secateur.evaluation.litert_latency import litert_latency

        return litert_latency({"dense": self.model})["dense"].median


class _Start:
    """What a search with one pattern starts from."""

    def __init__(self, trainer: _Trainer, model: keras.Model, target: TargetConfig) -> None:
        self._trainer, self._model, self.target = trainer, model, target
        how = {"criterion": trainer.how["criterion"], "seed": trainer.problem.seed}
        self._scores = score(model, trainer.data, **how) if target.scored else None
        self._last: dict[tuple[int, int], Pruned] = {}

    @functools.cached_property
    def sensitivity(self) -> Sensitivity:
        own = self._trainer
        given, asked, seed = own.validation, own.sensitivity, own.problem.seed
        return _curves(self._model, self._scores, self.target, given, asked, seed)

    @property
    def digest(self) -> str:
        problem = self._trainer.problem
        asked = [problem.budget, problem.minimize, problem.search, problem.epochs, problem.seed]
        return digest_of(
            [
                content_digest(self._model),
                self.target.model_dump(mode="json"),
                [str(each) for each in asked],
                {name: str(value) for name, value in self._trainer.how.items()},
            ]
        )

    def waypoints(self, order: str, measure: str, timed: bool) -> Waypoints:
        table = None
        if timed:
            from secateur.searching.profiling import measure_table

            table = measure_table()
        data = self._trainer.data
        predictor = Predictor(self._model, self._scores, data, _loss(self._model), table)
        if order == "ratio":
            return by_ratio(predictor, self.target, measure)
        return by_loss(predictor, self.target, measure, self.sensitivity)

    def trained(self, candidate: Candidate, seed: int) -> Pruned:
        """The whole candidate's model; that of the candidate that was evaluated last is there."""
        if not candidate.rungs and (known := self._last.get((candidate.number, seed))):
            return known
        epochs = self._trainer.problem.epochs if candidate.tuned else 0
        if candidate.rungs:
            epochs = candidate.rungs[-1]
        return self._trainer.prune(self._model, candidate.target, seed, epochs)

    def evaluate(self, candidates: Sequence[Candidate], seeds: Sequence[int]) -> list[Outcome]:
        return [self._outcome(candidate, seeds) for candidate in candidates]

    def _outcome(self, candidate: Candidate, seeds: Sequence[int]) -> Outcome:
        trainer = self._trainer
        costs, right = [], []
        self._last = {}
        for seed in seeds:
            try:
                found = self.trained(candidate, seed)
            except ValueError as error:
                return Outcome(candidate, {}, [], Estimate(1.0, 0.0), stopped=str(error))
            if not candidate.rungs:
                self._last[candidate.number, seed] = found
            costs.append(trainer.measure(found.model))
            right.append(trainer.answers(found.model))
        return Outcome(candidate, mean_costs(costs), right, drop(trainer.right, right))
