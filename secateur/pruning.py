"""`secateur.prune`: the whole of pruning as one function, for notebooks and scripts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import keras

from secateur.datasets.given import Arrays, check_inputs, number_of_batches, parts, read, told
from secateur.evaluation.counts import count_layers
from secateur.evaluation.in_process import metrics_on
from secateur.evaluation.schema import LayerCount
from secateur.graph.copying import copied
from secateur.importance.config import ImportanceConfig
from secateur.importance.names import BUILT_IN, DEFAULT
from secateur.importance.scoring import score
from secateur.models.weights import content_digest
from secateur.proof.copies import prove_copy
from secateur.proof.masks import prove_masks
from secateur.proof.record import Check
from secateur.proof.telling import checked_line
from secateur.sparsity.combine import check_combination
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.gradual import GradualPruning
from secateur.sparsity.hold import hold
from secateur.sparsity.layout import describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.methods import rewrite
from secateur.sparsity.schedule import rounds
from secateur.sparsity.select import select
from secateur.sparsity.zeros import masks_of_zeros
from secateur.structure.gradual import chooser
from secateur.structure.pruning import remove_least
from secateur.structure.recalibration import NORM_EXAMPLES, remeasure
from secateur.structure.shrinking import Cut, shrink_where_possible


@dataclass(frozen=True)
class Pruned:
    """What `prune` gives.

    Attributes:
        model: The pruned model, a plain Keras model: removed weights are zero, removed channels,
            heads and layers are gone.
        masks: Weight path -> boolean array, True = kept. Train on under
            `secateur.sparsity.hold(model, masks)`, or zeros come back. Empty where nothing is zero.
        layers: The layers with prunable weights: `name`, `kind`, `parameters`, `nonzero`,
            `sparsity`.
        metrics: By subject, `dense`, `pruned` and `fine_tuned`: what `model.evaluate` says on
            `validation`; empty without it.
        history: Of each fine-tuning, metric -> one value for each epoch.
        notices: What was skipped, floored or not met, and why.
        checks: What was proved of the model, on what, and the largest difference.
        widths: Of channels, heads and layers that are gone: layer -> width before and after, 0 of
            a layer that is gone whole.
        weights: How many prunable weights the given model has.
    """

    model: keras.Model
    masks: Masks
    layers: list[LayerCount]
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    history: list[dict[str, list[float]]] = field(default_factory=list)
    notices: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    widths: dict[str, tuple[int, int]] = field(default_factory=dict)
    weights: int = 0

    @property
    def sparsity(self) -> float:
        """Share of the prunable weights of the given model that are zero now, or gone."""
        return 1 - sum(layer.nonzero for layer in self.layers) / self.weights

    def __str__(self) -> str:
        width = max(len(layer.name) for layer in self.layers)
        lines = [f"{'layer':<{width}}  {'weights':>11}  {'nonzero':>11}  sparsity"]
        lines += [
            f"{x.name:<{width}}  {x.parameters:>11,}  {x.nonzero:>11,}  {x.sparsity:>8.2%}"
            for x in self.layers
        ]
        for subject, values in self.metrics.items():
            shown = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            lines.append(f"{subject}: {shown}")
        checked = [line] if (line := checked_line(self.checks)) else []
        return "\n".join([*lines, *self.notices, *checked])


def prune(
    model: keras.Model,
    data: Any = None,
    ratio: float | None = None,
    *,
    criterion: str = DEFAULT,
    epochs: int = 0,
    batch_size: int = 32,
    validation: Any = None,
    loss: Any = None,
    examples: int | None = None,
    pool: str | None = None,
    tolerance: float = 1e-3,
    seed: int = 0,
    in_place: bool = False,
    verbose: Any = 0,
    **target: Any,
) -> Pruned:
    """Prunes a Keras model: scores its weights, removes the least, fine-tunes what is left.

        pruned = secateur.prune(model, (x, y), ratio=0.9, epochs=5)
        pruned.model.save("small.keras")

    Args:
        model: A built Keras model of any kind; compiled, if it is to be fine-tuned.
        data: Training data for scores, for BatchNorm (measured anew after each cut) and for
            fine-tuning: a tuple `(x, y)` or `(x, y, sample_weight)` of arrays, or a
            `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator of batches of them; see
            `secateur.datasets.given.read`. Some criteria need none.
        ratio: Share of the prunable weights to remove, 0 <= ratio < 1.
        criterion: What a weight is worth; see `secateur.importance.names`.
        epochs: Passes over the data after pruning; after each round of schedule iterative, in all
            of schedule gradual, which prunes along the way. It uses the model's optimizer.
        batch_size: Examples a step of fine-tuning, where `data` are not batched.
        validation: Data as above, to measure on; the model has to be compiled.
        loss: What the criterion differentiates; None for the loss the model was compiled with.
        examples: How many examples the criterion looks at, at most; None for all.
        pool: `l1`, `l2`, `mean` or `max`: gives each weight the pooled score of its unit.
        tolerance: Up to which size a weight counts as zero, for criterion density.
        seed: Seed of what the criterion draws.
        in_place: Whether to set weights of `model` itself to zero. Otherwise it is left as it is,
            and a copy with a fresh optimizer is pruned.
        verbose: As in `model.fit`.
        **target: Fields of `secateur.sparsity.config.TargetConfig` beside `ratio`: `threshold`,
            `quantile`, `pattern` ("2:4", "1x4", "channel", "head", "layer"), `measure`,
            `allocation`, `schedule`, `rounds`, `begin`, `end`, `frequency`, `include`, `exclude`,
            `pooling`, `round_to`, `rank_layers`, `floor`, `regrow`.

    Returns:
        The pruned model, its masks, and what is to be known of them.

    Raises:
        ValueError: One sentence on what does not fit, before any work where that can be known.
    """
    wanted = TargetConfig(ratio=ratio, **target).settled(criterion)
    importance = ImportanceConfig(
        criterion=criterion, examples=examples, pool=pool, tolerance=tolerance
    )
    if wanted.cuts and in_place:
        raise ValueError(
            f"Pattern {wanted.pattern} makes a smaller model, which takes new weights; leave "
            "in_place out."
        )
    check_combination(criterion, wanted, pool)
    if epochs and (data is None or not model.compiled):
        raise ValueError(
            "Fine-tuning needs data and a compiled model: pass data=(x, y) and call model.compile, "
            "or leave epochs out."
        )
    if validation is not None and not model.compiled:
        raise ValueError("Measuring on validation needs a compiled model: call model.compile.")
    if wanted.schedule == "gradual" and not epochs:
        raise ValueError("schedule gradual prunes during fine-tuning: pass epochs.")
    if data is not None:
        data = read(data, batch_size=batch_size, limit=_examples(criterion, examples, epochs))
        check_inputs(model, data)
    if validation is not None:
        validation = read(validation)
    checks = []
    if not in_place:
        original, model = model, copied(model)
        checks.append(prove_copy(original, model, data))
    work = _Work(
        model,
        data,
        wanted,
        {**importance.model_dump(), "loss": loss, "seed": seed},
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        verbose=verbose,
    )
    masks = work.gradual() if wanted.schedule == "gradual" else work.in_rounds()
    return Pruned(
        work.model,
        masks,
        count_layers(work.model),
        work.metrics,
        work.history,
        (*masks.notices, *work.notices),
        tuple(dict.fromkeys([*checks, *work.checks])),
        work.widths,
        work.weights,
    )


class _Work:
    """One call of `prune`."""

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        target: TargetConfig,
        scoring: dict[str, Any],
        *,
        epochs: int,
        batch_size: int,
        validation: Any,
        verbose: Any,
    ) -> None:
        self.model, self._data, self._target, self._scoring = model, data, target, scoring
        self._epochs, self._batch_size, self._verbose = epochs, batch_size, verbose
        self._validation = validation
        self.metrics: dict[str, dict[str, float]] = {}
        self.history: list[dict[str, list[float]]] = []
        self.notices: list[str] = []
        self.checks: list[Check] = []
        self.widths: dict[str, tuple[int, int]] = {}
        self._layouts = describe(model)
        self.weights = sum(layer.parameters for layer in count_layers(model))
        self._measure("dense")

    def in_rounds(self) -> Masks:
        """Schedules one_shot and iterative."""
        masks: Masks | None = None
        for target in rounds(self._target, of_the_rest=self._target.cuts):
            masks = self._cut(target) if target.cuts else self._chosen(target, masks)
            with hold(self.model, masks) if masks else contextlib.nullcontext():
                if self._data is not None and not target.cuts:
                    options = {"examples": NORM_EXAMPLES, "seed": self._scoring["seed"]}
                    found = remeasure(self.model, lambda: self._data, **options)
                    self.notices += found.notices
                    self.checks += found.checks
                self._measure("pruned")
                if self._epochs:
                    self._fit([])
        assert masks is not None
        if masks:
            when = "after fine-tuning" if self._epochs else "after pruning"
            self.checks.append(prove_masks(self.model, masks, when))
        if self._epochs:
            self._measure("fine_tuned")
        return masks

    def gradual(self) -> Masks:
        """Schedule gradual."""
        criterion = BUILT_IN.get(self._scoring["criterion"])
        pruning = GradualPruning(
            self.model,
            self._target,
            self._epochs * self._batches(),
            None if criterion and criterion.name == "movement" else self._score,
            remember=criterion is not None and not criterion.data,
            model_digest=content_digest(self.model),
            choose=chooser(self.model) if self._target.cuts else None,
            zeros=masks_of_zeros(self.model),
        )
        with pruning:
            self._fit([pruning])
            masks = pruning.finish()
        self.checks.append(prove_masks(self.model, masks, "after fine-tuning"))
        if self._target.cuts:
            self._replace(small := shrink_where_possible(self.model, masks, data=self._data))
            masks = small.masks if small.masks is not None else masks
        self._measure("fine_tuned")
        return masks

    def _cut(self, target: TargetConfig) -> Masks:
        """Removes for good; the masks are of what was zero before anything was pruned."""
        latency = None
        if target.measure == "latency":
            from secateur.structure.timing import LiteRTLatency

            latency = LiteRTLatency(self.model)
        small = remove_least(
            self.model,
            self._score() if target.scored else None,
            target,
            data=self._data,
            loss=self._scoring["loss"],
            seed=self._scoring["seed"],
            latency=latency,
        )
        self._replace(small)
        return Masks({}) if target.regrow else masks_of_zeros(self.model)

    def _replace(self, small: Cut) -> None:
        for name, (before, after) in small.widths.items():
            self.widths[name] = (self.widths.get(name, (before,))[0], after)
        self.model = small.model
        self.notices += small.notices
        self.checks += small.checks

    def _chosen(self, target: TargetConfig, before: Masks | None) -> Masks:
        known = BUILT_IN.get(self._scoring["criterion"])
        if known and known.kind == "method":
            options = {name: self._scoring[name] for name in ("examples", "seed")}
            return rewrite(
                self.model,
                self._data,
                target,
                **options,
                checks=self.checks,
                within=before,
            )
        return select(
            self._score(),
            target,
            layers=self._layouts,
            model_digest=content_digest(self.model),
            within=before,
            zeros=masks_of_zeros(self.model),
        )

    def _score(self) -> Any:
        scores = score(self.model, self._data, **self._scoring)
        self.checks += scores.checks
        return scores

    def _fit(self, callbacks: list[Any]) -> None:
        x, y, weights = parts(self._data)
        validation = self._validation
        with told():
            fitted = self.model.fit(
                x,
                y,
                batch_size=self._batch_size if isinstance(self._data, Arrays) else None,
                epochs=self._epochs,
                sample_weight=weights,
                validation_data=tuple(validation) if isinstance(validation, Arrays) else validation,
                callbacks=callbacks,
                verbose=self._verbose,
            )
        self.history.append(fitted.history)

    def _batches(self) -> int:
        """Batches of an epoch."""
        count = number_of_batches(self._data, self._batch_size)
        if count is None:
            raise ValueError(
                "Schedule gradual has to know how many batches the dataset has: call "
                "tf.data.experimental.assert_cardinality on it."
            )
        return count

    def _measure(self, subject: str) -> None:
        if self._validation is None:
            return
        self.metrics[subject] = metrics_on(self.model, self._validation)


def _examples(criterion: str, examples: int | None, epochs: int) -> int | None:
    """How many examples are looked at, at most; None for all."""
    known = BUILT_IN.get(criterion)
    scored = 0 if known and not known.data else examples
    return None if epochs or scored is None else max(scored, NORM_EXAMPLES)
