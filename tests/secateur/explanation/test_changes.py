"""What changed between two classifiers, against counts by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secateur.explanation import changes
from secateur.explanation.changes import FLIPS, Answers, compare

_example = st.tuples(*[st.integers(0, 3)] * 3, st.floats(0, 1), st.floats(0, 1))


def _compared(examples, names="abcd"):
    label, before, after, sure, surer = (np.array(x) for x in zip(*examples, strict=True))
    return compare(label, Answers(before, sure), Answers(after, surer), list(names))


@given(st.lists(_example, min_size=1, max_size=60))
def test_every_count_is_that_of_the_examples(examples):
    found = _compared(examples)
    assert found.both_right == sum(y == b == a for y, b, a, *_ in examples)
    assert found.lost == sum(b == y != a for y, b, a, *_ in examples)
    assert found.won == sum(a == y != b for y, b, a, *_ in examples)
    assert found.both_wrong == sum(y not in (a, b) for y, b, a, *_ in examples)
    assert found.changed == sum(b != a for _, b, a, *_ in examples)
    for number, each in enumerate(found.classes):
        own = [example for example in examples if example[0] == number]
        assert each.name == "abcd"[number]
        assert each.examples == len(own)
        assert each.right_before == sum(b == number for _, b, *_ in own)
        assert each.right_after == sum(a == number for _, _, a, *_ in own)
    before = Counter((y, b) for y, b, *_ in examples)
    after = Counter((y, a) for y, _, a, *_ in examples)
    listed = {(c.label, c.predicted): (c.before, c.after) for c in found.confusion}
    assert listed == {pair: (before[pair], after[pair]) for pair in {*before, *after}}


@given(st.lists(_example, min_size=1, max_size=60))
def test_examples_that_flipped_are_real_and_the_surest_of_their_kind(examples):
    found = _compared(examples)
    kinds: dict[tuple[bool, bool], list] = {}
    for flip in found.flips:
        label, before, after, sure, surer = examples[flip.index]
        assert (flip.label, flip.before, flip.after) == (label, before, after)
        assert before != after
        assert flip.confidence_before == round(sure, 4)
        assert flip.confidence_after == round(surer, 4)
        kinds.setdefault((before == label, after == label), []).append(flip.index)
    for kind, indices in kinds.items():
        same = [
            i for i, (y, b, a, *_) in enumerate(examples) if a != b and (b == y, a == y) == kind
        ]
        assert len(indices) == min(len(same), FLIPS // 3)
        sure = {i: examples[i][3] + examples[i][4] for i in same}
        assert min(sure[i] for i in indices) >= max(
            (sure[i] for i in same if i not in indices), default=0
        )


def test_of_many_pairs_the_most_frequent_are_listed(monkeypatch):
    monkeypatch.setattr(changes, "CONFUSIONS", 2)
    examples = [(0, 0, 0, 1, 1)] * 5 + [(1, 2, 2, 1, 1)] * 3 + [(3, 2, 1, 1, 1)]
    found = _compared(examples)
    assert [(c.label, c.predicted, c.before, c.after) for c in found.confusion] == [
        (0, 0, 5, 5),
        (1, 2, 3, 3),
    ]


def test_a_class_without_examples_is_told_as_such():
    assert _compared([(0, 0, 0, 1, 1)]).classes[3].examples == 0
