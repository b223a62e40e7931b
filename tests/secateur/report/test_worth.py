"""A dense model that has learnt nothing is told."""

from __future__ import annotations

import pytest

from secateur.report.worth import learnt_nothing


def _card(card, *counts):
    (target,) = card.targets
    classes = tuple(
        each.model_copy(update={"examples": {"train": 9, "test": count}})
        for each, count in zip(target.classes, counts, strict=False)
    )
    targets = (target.model_copy(update={"classes": classes}),)
    return card.model_copy(update={"targets": targets})


@pytest.mark.parametrize(
    ("counts", "right", "told"),
    [
        ((10, 10), 10, True),
        ((10, 10), 11, False),
        ((555, 45), 555, True),
        ((555, 45), 556, False),
        ((3, 4, 5), 5, True),
        ((3, 4, 5), 2, True),
        ((3, 4, 5), 12, False),
    ],
)
def test_no_better_than_the_most_frequent_class(counts, right, told, report, card):
    dense = report.dense.model_copy(update={"metrics": {"accuracy": right / sum(counts)}})
    said = learnt_nothing(dense, _card(card, *counts))
    assert bool(said) == told
    if told:
        most = max(range(len(counts)), key=lambda place: counts[place])
        assert f"always gives '<c|{most}>' is for {counts[most] / sum(counts):.1%}" in said[0]


def test_where_nothing_can_be_compared_nothing_is_told(report, card):
    assert learnt_nothing(report.dense, None) == []
    number = report.dense.model_copy(update={"metrics": {"mae": 0.0}})
    assert learnt_nothing(number, card) == []
    (target,) = card.targets
    bare = card.model_copy(update={"targets": (target.model_copy(update={"classes": ()}),)})
    assert learnt_nothing(report.dense, bare) == []
