"""What pruning changed: the answers of two classifiers on the same examples, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from secateur.explanation.schema import Changes, ClassChange, Confusion, Flip

CONFUSIONS = 2_500
"""Pairs of classes that are listed at most: all of 50 classes, the most frequent ones of more."""
FLIPS = 36
"""Examples that are listed at most, of those lost, won, and wrong in another way each a third."""


class Answers(NamedTuple):
    """What a classifier says, one entry an example.

    Attributes:
        classes: The most probable class, int.
        confidence: Its probability.
    """

    classes: np.ndarray
    confidence: np.ndarray


def compare(labels: np.ndarray, before: Answers, after: Answers, names: Sequence[str]) -> Changes:
    """Compares two classifiers.

    Args:
        labels: The right classes, shape `(examples,)`.
        before: Answers of the dense model.
        after: Answers of the final one.
        names: Names of all classes.
    """
    was_right, is_right = before.classes == labels, after.classes == labels
    size = len(names)
    per_class = zip(
        names,
        np.bincount(labels, minlength=size),
        np.bincount(labels[was_right], minlength=size),
        np.bincount(labels[is_right], minlength=size),
        strict=True,
    )
    return Changes(
        classes=[
            ClassChange(name=name, examples=int(count), right_before=int(b), right_after=int(a))
            for name, count, b, a in per_class
        ],
        confusion=_confusion(labels, before.classes, after.classes, size),
        both_right=int((was_right & is_right).sum()),
        lost=int((was_right & ~is_right).sum()),
        won=int((~was_right & is_right).sum()),
        both_wrong=int((~was_right & ~is_right).sum()),
        changed=int((before.classes != after.classes).sum()),
        flips=_flips(labels, before, after),
    )


def _confusion(
    labels: np.ndarray, before: np.ndarray, after: np.ndarray, size: int
) -> list[Confusion]:
    """Pairs of a right class and an answer, in their order; only those that occur."""
    keys, counts = np.unique(
        np.concatenate([labels * size + before, labels * size + after]), return_counts=True
    )
    if len(keys) > CONFUSIONS:
        keys = np.sort(keys[np.argsort(-counts, kind="stable")[:CONFUSIONS]])
    columns = []
    for answers in (before, after):
        places = np.searchsorted(keys, labels * size + answers)
        found = keys[np.minimum(places, len(keys) - 1)] == labels * size + answers
        columns.append(np.bincount(places[found], minlength=len(keys)))
    return [
        Confusion(label=int(key) // size, predicted=int(key) % size, before=int(b), after=int(a))
        for key, b, a in zip(keys, *columns, strict=True)
    ]


def _flips(labels: np.ndarray, before: Answers, after: Answers) -> list[Flip]:
    """Of the answers that changed: lost, won and otherwise wrong, a third each."""
    changed = before.classes != after.classes
    was_right, is_right = before.classes == labels, after.classes == labels
    flips = []
    for kind in (changed & was_right, changed & is_right, changed & ~was_right & ~is_right):
        (indices,) = np.nonzero(kind)
        sure = after.confidence[indices] + before.confidence[indices]
        chosen = indices[np.argsort(-sure, kind="stable")[: FLIPS // 3]]
        flips += [
            Flip(
                index=int(i),
                label=int(labels[i]),
                before=int(before.classes[i]),
                after=int(after.classes[i]),
                confidence_before=round(float(before.confidence[i]), 4),
                confidence_after=round(float(after.confidence[i]), 4),
                picture=None,
            )
            for i in chosen
        ]
    return flips
