"""What may be wrong with data that can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from secateur.datasets.card.schema import Input, Target
from secateur.datasets.dataset import Dataset

_FEW = 10  # training examples of a class, below which it is near to empty
_UNEVEN = 10  # times as many examples of the largest class as of the smallest
_TELLS = 0.98  # share of the rows that one column alone gets right
_LARGE = 20  # a value that is not scaled
_BINS = 64
_ROWS = 20_000  # that are looked at


def warnings(data: Dataset, inputs: Sequence[Input], targets: Sequence[Target]) -> Iterator[str]:
    """Sentences, each on one thing."""
    for target in targets:
        yield from _of_classes(target)
    for about in inputs:
        largest = max(-about.minimum, about.maximum)
        if about.kind in ("image", "array") and largest > _LARGE:
            yield (
                f"The values of the input{f' {about.name!r}' if about.name else ''} go from "
                f"{about.minimum:g} to {about.maximum:g} and reach the model as they are, and few "
                "networks learn well from such; scale them, or store bytes, which become 0 to 1."
            )
        constant = [each.name for each in about.features if each.minimum == each.maximum]
        if constant:
            yield (
                f"{len(constant)} of {len(about.features)} columns have one value in the whole "
                f"training split, and tell nothing: {_listed(constant)}."
            )
    if len(inputs) == 1 and inputs[0].features and len(targets) == 1:
        yield from _tellers(data, inputs[0], targets[0])


def _of_classes(target: Target) -> Iterator[str]:
    if target.task not in ("classification", "binary") or not target.classes:
        return
    of = f" of {target.name!r}" if target.name else ""
    train = {each.name: each.examples["train"] for each in target.classes}
    if few := [name for name, count in train.items() if count < _FEW]:
        yield (
            f"{len(few)} of {len(train)} classes{of} have fewer than {_FEW} training examples: "
            f"{_listed(few)}."
        )
    name, most = max(train.items(), key=lambda pair: pair[1])
    if most >= _UNEVEN * max(1, min(train.values())):
        share = most / sum(train.values())
        yield (
            f"The classes{of} are uneven: {name!r} has {share:.0%} of the training examples, which "
            "is the accuracy of giving it always."
        )
    bare = Counter(each.name.casefold() for each in target.classes)
    if alike := [each.name for each in target.classes if bare[each.name.casefold()] > 1]:
        yield f"Classes{of} differ in capitals alone: {_listed(alike)}."
    lacking = [each.name for each in target.classes if not each.examples["test"]]
    if lacking:
        yield (
            f"The test split has no example of {len(lacking)} of {len(train)} classes{of}: "
            f"{_listed(lacking)}."
        )


def _tellers(data: Dataset, about: Input, target: Target) -> Iterator[str]:
    """Columns that alone tell the target of the test split; learnt on the training split."""
    x, y = data.train.x[:_ROWS], np.asarray(data.train.y[:_ROWS])
    test_x, test_y = data.test.x[:_ROWS], np.asarray(data.test.y[:_ROWS])
    for place, feature in enumerate(about.features):
        if feature.minimum == feature.maximum:
            continue
        column, theirs = np.asarray(x[:, place]), np.asarray(test_x[:, place])
        if target.task in ("classification", "binary"):
            right, chance = _rule(column, y.reshape(-1), theirs, test_y.reshape(-1))
            if right >= _TELLS and right > (1 + chance) / 2:
                yield (
                    f"The column {feature.name!r} alone tells the class of {right:.1%} of the test "
                    "examples; is it known before the class is?"
                )
        elif target.task == "regression" and len(target.ranges) == 1:
            with np.errstate(invalid="ignore"):
                relation = abs(float(np.corrcoef(theirs, test_y.reshape(-1))[0, 1]))
            if relation >= 0.999:
                yield (
                    f"The column {feature.name!r} alone gives the target (correlation "
                    f"{relation:.4f}); is it known before the target is?"
                )


def _rule(
    x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> tuple[float, float]:
    """Share of test examples that the most frequent class of their bin is right for.

    Returns:
        It, and the share that the most frequent class of all is right for.
    """
    edges = np.unique(np.quantile(x, np.linspace(0, 1, _BINS + 1)[1:-1]))
    classes = int(max(y.max(), test_y.max())) + 1
    labels = y.astype(np.int64)
    counts = np.zeros((len(edges) + 1, classes), np.int64)
    np.add.at(counts, (np.searchsorted(edges, x, side="left"), labels), 1)
    common = int(np.bincount(labels).argmax())
    given = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), common)
    guess = given[np.searchsorted(edges, test_x, side="left")]
    return float((guess == test_y).mean()), float((test_y == common).mean())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(repr(name) for name in names[:6]) + more
