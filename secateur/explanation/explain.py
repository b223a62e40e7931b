"""Two models, the scores and the masks between them -> what pruning changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from secateur.datasets.dataset import Dataset, Split
from secateur.explanation.changes import Answers, compare
from secateur.explanation.histograms import histogram, score_histogram
from secateur.explanation.pictures import are_pictures, pictures_of
from secateur.explanation.schema import Changes, Explained, Explanation, WeightFacts
from secateur.importance.scores import Scores
from secateur.models.weights import PrunableWeight, prunable_weights
from secateur.sparsity.masks import Masks
from secateur.training.outputs import gives

_BATCH = 1024
_TASKS = ("classification", "binary")
MASK_CELLS = 1 << 18
"""Weights of a mask that is kept for a picture, at most."""


def explain(
    dense: keras.Model,
    final: keras.Model,
    data: Dataset,
    scores: Scores | None = None,
    masks: Masks | None = None,
    task: str = "classification",
) -> Explained:
    """Compares a model before pruning and at the end.

    Args:
        dense: The model before.
        final: The model at the end.
        data: Its test split is what they answer on.
        scores: Those that the last choice was made by.
        masks: What that choice kept; None where units were removed for good.
        task: What the models do; answers are compared of one class for an example.
    """
    changes, pictures = _changes(dense, final, data, task)
    overall = None
    if scores:
        kept = [_mask(masks, path) for path in scores] if masks is not None else None
        overall = score_histogram(list(scores.values()), kept)
    facts = Explanation(
        criterion=scores.criterion if scores else None,
        scores=overall,
        masked=len(masks) if masks is not None else 0,
        weights=list(_weights(dense, final, scores or {}, masks)),
        changes=changes,
    )
    return Explained(facts, pictures, _small(masks) if masks is not None else None)


def _small(masks: Masks) -> Masks:
    """Those of weights that can be drawn."""
    few = {path: masks[path] for path in masks if masks.size(path) <= MASK_CELLS}
    return Masks(few, masks.model_digest)


def _weights(
    dense: keras.Model, final: keras.Model, scores: Mapping[str, np.ndarray], masks: Masks | None
) -> Iterator[WeightFacts]:
    left = {weight.path: weight for weight in prunable_weights(final)}
    for weight in prunable_weights(dense):
        before = _values(weight)
        after = _values(left[weight.path]) if weight.path in left else None
        widest = float(np.abs(before).max(initial=0))
        if after is not None:
            widest = max(widest, float(np.abs(after).max(initial=0)))
        score = scores.get(weight.path)
        yield WeightFacts(
            path=weight.path,
            layer=weight.layer_path,
            kind=type(weight.layer).__name__,
            shape_before=list(before.shape),
            shape_after=list(after.shape) if after is not None else None,
            nonzero_after=int(np.count_nonzero(after)) if after is not None else 0,
            values_before=histogram(before, -widest, widest),
            values_after=histogram(after[after != 0], -widest, widest)
            if after is not None
            else None,
            scores=score_histogram(
                [score], [_mask(masks, weight.path)] if masks is not None else None
            )
            if score is not None
            else None,
        )


def _values(weight: PrunableWeight) -> np.ndarray:
    value = np.asarray(keras.ops.convert_to_numpy(weight.variable.value))
    return value if value.dtype == np.float64 else value.astype(np.float32, copy=False)


def _mask(masks: Masks | None, path: str) -> np.ndarray | None:
    return masks[path] if masks is not None and path in masks else None


def _changes(
    dense: keras.Model, final: keras.Model, data: Dataset, task: str
) -> tuple[Changes | None, np.ndarray | None]:
    if task not in _TASKS:
        return None, None
    test = data.test
    labels = np.asarray(test.y).reshape(len(test)).astype(np.int64)
    count = 2 if task == "binary" else data.classes
    names = data.info.get("class_names") or [str(number) for number in range(count)]
    changes = compare(labels, _answers(dense, test), _answers(final, test), names)
    if not changes.flips or not isinstance(test.x, np.ndarray) or not are_pictures(data.shape):
        return changes, None
    pictures = pictures_of(np.stack([test.x[flip.index] for flip in changes.flips]))
    flips = [flip.model_copy(update={"picture": place}) for place, flip in enumerate(changes.flips)]
    return changes.model_copy(update={"flips": flips}), pictures


def _answers(model: keras.Model, split: Split) -> Answers:
    """The most probable class of each example, and its probability."""
    kind = gives(model)
    classes, confidence = [], []
    # Not compiled: of one pass over the examples, tracing would take the most time.
    for start in range(0, len(split), _BATCH):
        x, _ = split.arrays(np.arange(start, min(start + _BATCH, len(split))))
        given = keras.ops.cast(model(x, training=False), "float32")
        if given.shape[-1] == 1:  # yes or no
            yes = given if kind != "logits" else keras.ops.sigmoid(given)
            given = keras.ops.concatenate([1 - yes, yes], axis=-1)
        elif kind == "logits":
            given = keras.ops.softmax(given)
        shares = keras.ops.convert_to_numpy(given)
        classes.append(shares.argmax(axis=-1))
        confidence.append(shares.max(axis=-1))
    return Answers(np.concatenate(classes), np.concatenate(confidence))
