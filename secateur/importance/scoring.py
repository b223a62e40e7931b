"""Scores of a model's weights by the name of a criterion."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from secateur.datasets.given import told
from secateur.importance import criteria  # noqa: F401  (the cache key counts its whole folder)
from secateur.importance.names import BUILT_IN, DEFAULT, Criterion, criterion_entry
from secateur.importance.run import Run, unchanged
from secateur.importance.scores import Scores
from secateur.importance.units import Pool, unit_map
from secateur.models.weights import PrunableWeight, flat_layers, left_alone, prunable_weights


def score(
    model: keras.Model,
    data: Any = None,
    criterion: str = DEFAULT,
    *,
    loss: Any = None,
    examples: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    pool: Pool | None = None,
    tolerance: float = 1e-3,
) -> Scores:
    """Scores every prunable weight of `model`.

    The model runs in inference mode (`training=False`: no dropout, BatchNorm with its moving
    statistics) and is left as it was.

    Args:
        model: A built Keras model.
        data: Calibration data, for criteria that look at examples: a tuple `(x, y)` or
            `(x, y, sample_weight)` of arrays, examples first (`x`, `y` may be lists or dicts of
            arrays), or batches of such tuples; see `secateur.datasets.given.read`. Use training
            data.
        criterion: A name; see `secateur.importance.names`.
        loss: A Keras loss (name, function, object; a list or dict for several outputs). None
            takes the loss that the model was compiled with.
        examples: How many examples to look at, at most; None for all. Arrays: a draw by `seed`;
            datasets: the first ones.
        batch_size: Examples that go through the model at a time. It changes memory and speed, not
            the scores. None chooses by the size of the model's activations.
        seed: Seed of everything that is drawn.
        pool: Gives each weight the pooled score of its unit: `l1` Σ|s|, `l2` √Σs², `mean` or
            `max`. None leaves each weight its own. Criteria of units are spread to the weights
            in any case.
        tolerance: Up to which size a weight counts as zero, for `density`.

    Returns:
        Weight path (see `secateur.models.weights.weight_paths`) -> float32 array of the weight's
        shape, not negative; `.notices` says what could not be done as asked, `.checks` what was
        proved on some of the examples. A weight that the criterion says nothing about is left out,
        and named in the notices.

    Raises:
        ValueError: Unknown criterion, one that gives no scores, no data or no loss where it needs
            them, data that do not fit, or scores that are not finite.
    """
    run, known, raw = _run(
        model,
        data,
        criterion,
        loss=loss,
        examples=examples,
        batch_size=batch_size,
        seed=seed,
        tolerance=tolerance,
    )
    if known.kind == "unit" or pool is not None:
        units = unit_map(model, run.weights)
        shapes = {w.path: tuple(w.variable.shape) for w in run.weights}
        by_unit = _by_unit(run, known, raw, pool or "l2")
        raw = {path: units[path].spread(by_unit[path], shapes[path]) for path in by_unit}
    return Scores(
        _checked(raw, run.weights, criterion),
        criterion=criterion,
        notices=run.notices,
        checks=run.checks,
    )


def score_units(
    model: keras.Model,
    data: Any = None,
    criterion: str = DEFAULT,
    *,
    loss: Any = None,
    examples: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    pool: Pool = "l2",
    tolerance: float = 1e-3,
) -> Scores:
    """Scores the output units (neurons, channels, heads) that each weight makes.

    As `score`, with one value for each unit in place of one for each weight: those of a criterion
    of units, or those of a criterion of weights pooled over each unit's weights.

    Returns:
        Weight path -> float32 array (units,), in the order of `secateur.importance.units`.
    """
    run, known, raw = _run(
        model,
        data,
        criterion,
        loss=loss,
        examples=examples,
        batch_size=batch_size,
        seed=seed,
        tolerance=tolerance,
    )
    by_unit = {
        path: values.astype(np.float32) for path, values in _by_unit(run, known, raw, pool).items()
    }
    return Scores(by_unit, criterion=criterion, notices=run.notices, checks=run.checks)


def _run(
    model: keras.Model, data: Any, criterion: str, **options: Any
) -> tuple[Run, Criterion, Mapping[str, np.ndarray]]:
    function, known = _find(criterion)
    if known.kind == "method":
        raise ValueError(
            f"{criterion!r} gives no scores: it chooses weights and rewrites the others in one go; "
            "call secateur.sparsity.methods.rewrite."
        )
    if known.data and data is None:
        raise ValueError(f"The criterion {criterion!r} looks at examples: pass data=(x, y).")
    if not model.built:
        raise ValueError("The model has no weights yet: build it, or call it on some data.")
    run = Run(model, prunable_weights(model), data=data, **options)
    said = left_alone(model)
    if not run.weights:
        raise ValueError(" ".join(["The model has no weight that can be pruned.", *said]))
    for notice in said:
        run.note(notice)
    if known.loss:
        _ = run.losses  # refuses a missing loss before any work
    with unchanged(model), told():
        raw = function(run)
    if known.loss and raw and not any(np.any(values) for values in raw.values()):
        raise ValueError(
            f"The criterion {criterion!r} gives every weight the score 0, by which none can be "
            "chosen: the loss does not change with any of them on these data (are all sample "
            "weights 0, or all gradients cut off?)."
        )
    if known.loss and (names := _adding(model)):
        run.note(
            f"The layers {', '.join(names)} add losses of their own (regularizers, add_loss): "
            f"{criterion!r} looks at the loss of the outputs alone."
        )
    return run, known, raw


def _adding(model: keras.Model) -> list[str]:
    """Names of the layers that add to the loss whatever the labels are."""
    return [
        layer.name
        for layer in flat_layers(model)
        if layer._losses or any(v.regularizer for v in layer._trainable_variables)
    ]


def _by_unit(
    run: Run, known: Criterion, raw: Mapping[str, np.ndarray], pool: Pool
) -> dict[str, np.ndarray]:
    """One value for each unit, by weight path."""
    units = unit_map(run.model, run.weights)
    if known.kind == "weight":
        return {path: units[path].pool(np.asarray(values), pool) for path, values in raw.items()}
    by_unit = {path: np.asarray(values) for path, values in raw.items()}
    for path, values in by_unit.items():
        if values.shape != (units[path].size,):
            raise ValueError(
                f"The criterion {known.name!r} gave values of shape {values.shape} for the "
                f"{units[path].size} units of {path!r}."
            )
    return by_unit


def _find(name: str) -> tuple[Callable[[Run], Mapping[str, np.ndarray]], Criterion]:
    entry = criterion_entry(name)
    if entry is None:
        known = BUILT_IN[name]
        module, _, function = known.target.partition(":")
        return getattr(importlib.import_module(module), function), known
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"The criterion {name!r} cannot be imported from {entry.value!r}: {error}."
        ) from error
    return found, Criterion(name, entry.value, *getattr(found, "needs", ()))


def _checked(
    raw: Mapping[str, np.ndarray], weights: list[PrunableWeight], criterion: str
) -> dict[str, np.ndarray]:
    """The scores in the order of the weights, float32, every one of them finite."""
    scores = {}
    for weight in weights:
        if weight.path not in raw:
            continue  # it could not be scored, and the notices say why
        array = np.asarray(raw[weight.path]).astype(np.float32, copy=False)
        if array.shape != tuple(weight.variable.shape):
            raise ValueError(
                f"The criterion {criterion!r} gave scores of shape {array.shape} for "
                f"{weight.path!r}, whose shape is {tuple(weight.variable.shape)}."
            )
        low = array.min(initial=0.0)
        if not np.isfinite(array.sum(dtype=np.float64)) or low < 0:
            raise ValueError(
                f"The criterion {criterion!r} gave scores of {weight.path!r} that are "
                f"{'negative' if low < 0 else 'NaN or infinite'}; are the model's weights and its "
                "loss on these data finite?"
            )
        scores[weight.path] = array
    return scores
