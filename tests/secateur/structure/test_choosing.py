"""Scores of groups and the budget: against loops and brute force."""

import itertools

import keras
import numpy as np
import pytest

from secateur import structure
from secateur.evaluation.flops import total_flops
from secateur.structure.pooling import pooled
from tests.secateur.structure.reference import magnitude, randomize

L = keras.layers


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, padding="same", name="stem")(inputs)
    y = L.Conv2D(6, 3, padding="same", name="inside")(L.ReLU()(x))
    x = L.Add()([x, L.Conv2D(8, 3, padding="same", name="back")(L.BatchNormalization()(y))])
    x = L.Conv2D(12, 3, name="wide")(x)
    x = L.Dense(10, name="hidden")(L.Flatten()(x))
    return randomize(keras.Model(inputs, L.Dense(3, name="output")(x)))


@pytest.fixture(scope="module")
def graph(model):
    return structure.analyse(model)


@pytest.mark.parametrize("pooling", ["mean", "max", "l1", "l2"])
def test_pooling_is_over_every_weight_of_a_channel(model, graph, pooling):
    scores = magnitude(model)
    found, scored = pooled(graph, scores, pooling)
    stem = next(g for g in graph.groups if g.layers[0] == "stem")
    for position, unit in enumerate(stem.units):
        values = [
            scores["stem/kernel"][..., position],
            scores["stem/bias"][position],
            scores["inside/kernel"][:, :, position],
            scores["back/kernel"][..., position],
            scores["back/bias"][position],
            scores["wide/kernel"][:, :, position],
        ]
        flat = np.concatenate([np.ravel(v) for v in values])
        by_hand = {"l1": np.sum, "l2": np.linalg.norm}.get(pooling) or getattr(np, pooling)
        assert found[unit] == pytest.approx(by_hand(flat))
        assert scored[unit]


def test_flattened_channels_count_every_position(model, graph):
    scores = {"hidden/kernel": np.ones(model.get_layer("hidden").kernel.shape)}
    found, _ = pooled(graph, scores, "l1")
    wide = next(g for g in graph.groups if g.layers == ("wide",))
    np.testing.assert_allclose(found[wide.units], 36 * 10)


def test_a_uniform_allocation_takes_the_same_share_of_the_lowest(model, graph):
    removal = structure.choose(graph, magnitude(model), ratio=0.5, allocation="uniform")
    assert removal.widths == {
        "stem+back": (8, 4),
        "inside": (6, 3),
        "wide": (12, 6),
        "hidden": (10, 5),
    }
    found, _ = pooled(graph, magnitude(model))
    for group in graph.groups:
        gone = removal.removed[group.units]
        assert found[group.units][gone].max() <= found[group.units][~gone].min()


def test_a_global_allocation_takes_the_lowest_of_all(model, graph):
    removal = structure.choose(graph, magnitude(model), ratio=0.25, normalize=False)
    found, _ = pooled(graph, magnitude(model))
    # One channel of each group, the best, stays in any case.
    may_go = np.concatenate([g.units[np.argsort(found[g.units])[:-1]] for g in graph.groups])
    lowest = may_go[np.argsort(found[may_go])[:9]]
    assert set(np.flatnonzero(removal.removed)) == set(lowest)


def test_normalized_scores_do_not_see_the_scale_of_a_group(model, graph):
    scores = magnitude(model)
    before = structure.choose(graph, scores, ratio=0.4)
    louder = {k: v * (1000 if k.startswith("hidden") else 1) for k, v in scores.items()}
    # The last layer reads `hidden` as well; give all that is in its group the same factor.
    only = {k: v for k, v in louder.items() if k.startswith(("hidden/bias", "inside/bias"))}
    plain = {k: scores[k] for k in only}
    np.testing.assert_array_equal(
        structure.choose(graph, only, ratio=0.4).removed,
        structure.choose(graph, plain, ratio=0.4).removed,
    )
    assert before.removed.any()


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("measure", ["units", "parameters", "flops"])
def test_a_target_is_met_as_closely_as_one_channel_allows(model, graph, measure, ratio):
    removal = structure.choose(graph, magnitude(model), ratio=ratio, measure=measure)
    small = structure.remove(model, removal)
    assert small.count_params() == removal.parameters
    assert total_flops(small) == removal.flops
    totals = {
        "units": (36, 36 - int(removal.removed.sum())),
        "parameters": (model.count_params(), small.count_params()),
        "flops": (total_flops(model), total_flops(small)),
    }
    before, after = totals[measure]
    goal = before * (1 - ratio)
    # Every other number of steps along the same order is as far away or farther.
    others = [structure.choose(graph, magnitude(model), ratio=n / 36) for n in range(36)]
    values = {
        "units": [36 - int(o.removed.sum()) for o in others],
        "parameters": [o.parameters for o in others],
        "flops": [o.flops for o in others],
    }[measure]
    assert abs(after - goal) == min(abs(value - goal) for value in values)


def test_a_measured_latency_is_a_function_of_the_model(model, graph):
    asked = []

    def latency(candidate):
        asked.append(candidate)
        return candidate.count_params() / 1000

    removal = structure.choose(
        graph, magnitude(model), ratio=0.5, measure="latency", latency=latency
    )
    by_size = structure.choose(graph, magnitude(model), ratio=0.5, measure="parameters")
    np.testing.assert_array_equal(removal.removed, by_size.removed)
    assert len(asked) <= 9


def test_round_to_and_floor(model, graph):
    removal = structure.choose(graph, magnitude(model), ratio=0.9, round_to=4)
    assert {after for _, after in removal.widths.values()} <= {4, 6, 10}  # 6, 10: left whole
    assert removal.notices  # 0.9 cannot be reached
    removal = structure.choose(graph, magnitude(model), ratio=0.95, floor=3)
    assert {after for _, after in removal.widths.values()} == {3}
    removal = structure.choose(graph, magnitude(model), ratio=0.95, floor=0.5)
    assert removal.widths == {
        "stem+back": (8, 4),
        "inside": (6, 3),
        "wide": (12, 6),
        "hidden": (10, 5),
    }
    removal = structure.choose(graph, magnitude(model), ratio=0.99)
    assert {after for _, after in removal.widths.values()} == {1}
    assert "cannot be reached" in removal.notices[0]


def test_a_floor_that_bites_is_said(model, graph):
    scores = {path: np.ones_like(values) for path, values in magnitude(model).items()}
    scores |= {path: 0 * scores[path] for path in scores if path.startswith("hidden")}
    removal = structure.choose(graph, scores, ratio=0.5, normalize=False, floor=2)
    assert removal.widths["hidden"] == (10, 2)
    assert [n for n in removal.notices if "least that may stay" in n and "hidden" in n]
    removal = structure.choose(graph, scores, ratio=0.1, normalize=False, floor=2)
    assert removal.notices == []


def test_an_allocation_by_layer_names(model, graph):
    removal = structure.choose(
        graph, magnitude(model), allocation={"i*": 0.9, "inside": 0.5, "h*": 0.3}
    )
    assert removal.widths == {
        "stem+back": (8, 8),
        "inside": (6, 3),
        "wide": (12, 12),
        "hidden": (10, 7),
    }


def test_include_and_exclude(model, graph):
    removal = structure.choose(
        graph, magnitude(model), ratio=0.5, include=("w*", "s*"), exclude=("back",)
    )
    assert removal.widths["wide"] == (12, 6)
    assert removal.widths["stem+back"] == (8, 8)
    removal = structure.choose(graph, magnitude(model), ratio=0.2, include=("Dense",))
    assert removal.widths["hidden"][1] < 10
    assert sum(before != after for before, after in removal.widths.values()) == 1


def test_groups_without_scores_stay_and_are_named(graph):
    scores = {"wide/kernel": np.random.default_rng(0).random((3, 3, 8, 12))}
    removal = structure.choose(graph, scores, ratio=0.5)
    assert removal.widths["hidden"] == (10, 10)
    assert "inside" in removal.notices[0]
    assert removal.widths["wide"][1] < 12


@pytest.mark.parametrize("kinds", [("channel",), ("head",), ("width",), ("head", "width")])
def test_kinds_of_groups(kinds):
    x = keras.Input((5, 6))
    y = L.MultiHeadAttention(4, 4)(L.Dense(6)(x), x)
    model = keras.Model(x, L.Dense(2)(L.Dense(8)(y)))
    graph = structure.analyse(model)
    removal = structure.choose(graph, magnitude(model), ratio=0.5, kinds=kinds)
    for group in graph.groups:
        assert removal.removed[group.units].any() == (group.kind in kinds)


def test_costs_of_groups_against_a_model_without_them(model, graph):
    for group in graph.groups:
        removed = np.zeros(graph.units, bool)
        removed[group.units[1:]] = True
        small = structure.remove(model, structure.Removal(graph, removed))
        # A group's cost is that of all its channels; all but one of n go here.
        one = small.count_params() - (model.count_params() - group.parameters)
        assert 0 < one < group.parameters
        if group.layers == ("hidden",):
            assert group.parameters == 432 * 10 + 10 + 10 * 3
            assert group.flops == 2 * (432 * 10 + 10 * 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ratio": 1.0}, "below 1"),
        ({"ratio": -0.1}, "at least 0"),
        ({"measure": "size"}, "units, parameters, flops, latency"),
        ({"measure": "latency"}, "needs `latency`"),
        ({"allocation": "erk"}, "'global', 'uniform' or a mapping"),
        ({"allocation": {"a": 2.0}}, "below 1"),
        ({"pooling": "median"}, "mean, l1, l2, max"),
        ({"round_to": 0}, "at least 1"),
        ({"floor": 1.5}, "a share"),
        ({"kinds": ("neuron",)}, "neuron"),
        ({"include": ("nothing*",)}, "no group"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(model, graph, wrong, message):
    with pytest.raises(ValueError, match=message):
        structure.choose(graph, magnitude(model), **wrong)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"nowhere/kernel": np.ones(3)}, "no weight of the model"),
        ({"hidden/bias": np.ones(3)}, r"the weight has \(10,\)"),
        ({"hidden/bias": np.full(10, np.nan)}, "not all finite"),
    ],
)
def test_bad_scores_are_refused(graph, scores, message):
    with pytest.raises(ValueError, match=message):
        structure.choose(graph, scores)


def test_groups_are_told_apart_by_the_axes_they_run_through():
    """Brute force: two channels are in one group if and only if they have the same layers."""
    inputs = keras.Input((8,))
    a, b = L.Dense(4, name="a")(inputs), L.Dense(4, name="b")(inputs)
    c = L.Dense(8, name="c")(inputs)
    x = L.Add()([L.Concatenate()([a, b]), c])
    graph = structure.analyse(keras.Model(inputs, L.Dense(2)(x)))
    assert [g.layers for g in graph.groups] == [("a", "c"), ("b", "c")]
    for first, second in itertools.combinations(graph.groups, 2):
        assert not set(first.units) & set(second.units)
