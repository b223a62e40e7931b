"""Cutting single layers on, against layers that bear a known share each."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secateur.searching.bisection import Bisection
from secateur.searching.candidate import Outcome
from secateur.searching.curves import Curve, Point
from secateur.searching.goal import Goal
from secateur.searching.noise import Estimate
from secateur.searching.polish import TRIES, Polish
from secateur.searching.schema import Prediction, Waypoint, Waypoints
from secateur.searching.target_config import by_layer
from secateur.searching.turns import Turns
from secateur.sparsity.config import TargetConfig

GOAL = Goal("flops", 0.01, {}, 0.95)
LAYERS = ("a", "b", "c")
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)


def _strategy(units=100, step=1, layers=LAYERS):
    """All layers give up the same along the waypoints."""
    target = TargetConfig(ratio=0.5, pattern="channel")
    points = [
        Waypoint(
            target=by_layer(target, dict.fromkeys(layers, share)),
            cost=Prediction(parameters=100, nonzero=100, flops=int(1000 * (1 - share))),
            layers=dict.fromkeys(layers, share),
        )
        for share in SHARES
    ]
    dense = Prediction(parameters=100, nonzero=100, flops=1000)
    curves = [
        Curve(layer=layer, kind="Conv2D", units=units, parameters=10, flops=flops, points=[_POINT])
        for layer, flops in zip(layers, (100, 1000, 10), strict=False)
    ]
    numbers = itertools.count()
    way = Bisection(GOAL, Waypoints(dense=dense, measure="flops", points=points), numbers)
    return Polish(
        Turns([way]),
        GOAL,
        curves,
        lambda ratios: by_layer(target, ratios),
        by_flops=True,
        step=step,
        numbers=numbers,
    )


_POINT = Point(ratio=0.5, accuracy=0.9, loss=0.1, examples=10)


def _run(strategy, bears, most=1):
    """Ratios of all candidates in order, and whether each kept the drop."""
    tried = []
    while asked := strategy.ask(most):
        for candidate in asked:
            ratios = candidate.target.allocation
            kept = all(ratios[layer] <= bears[layer] for layer in bears)
            tried.append((candidate, ratios, kept))
            drop = Estimate(0.0 if kept else 0.05, 0.0)
            strategy.tell(Outcome(candidate, {}, [np.ones(3, bool)], drop))
    return tried


def _own(tried):
    """Those beyond the waypoints."""
    return [each for each in tried if " at " in each[0].name]


@given(st.tuples(*[st.floats(0.1, 0.99)] * 3))
def test_layers_are_cut_on_one_at_a_time_while_they_bear_it(bears):
    bears = dict(zip(LAYERS, bears, strict=True))
    own = _own(_run(_strategy(), bears))
    base = dict.fromkeys(LAYERS, max((s for s in SHARES if s <= min(bears.values())), default=0))
    for candidate, ratios, kept in own:
        (changed,) = (layer for layer in LAYERS if ratios[layer] != base[layer])
        assert ratios[changed] > base[changed]
        assert candidate.name.startswith(f"{changed} at ")
        base = ratios if kept else base
    assert len(own) <= TRIES
    if 0 < len(own) < TRIES:  # it ended where no layer bears another step
        assert all(1 - 0.7 * (1 - base[layer]) + 2e-6 > bears[layer] for layer in LAYERS)


@given(st.tuples(*[st.floats(0.1, 0.99)] * 3), st.integers(2, 3))
def test_several_at_a_time_change_one_layer_each(bears, most):
    own = _own(_run(_strategy(), dict(zip(LAYERS, bears, strict=True)), most))
    assert len(own) <= TRIES
    names = [candidate.name.split(" at ")[0] for candidate, _, _ in own[:most]]
    assert len(set(names)) == len(names)


def test_what_saves_most_comes_first_until_no_layer_bears_more():
    own = _own(_run(_strategy(), {"a": 0.5, "b": 0.7, "c": 0.75}))
    # From 0.5 of each: b, of 1,000 FLOPs, by 30 % of what is left; then a, then c.
    assert [(candidate.name, kept) for candidate, _, kept in own] == [
        ("b at 35.0%", True),
        ("b at 24.5%", False),
        ("a at 35.0%", False),
        ("c at 35.0%", True),
        ("c at 24.5%", False),
    ]


def test_a_layer_loses_at_least_one_unit_and_keeps_one():
    tried = _run(_strategy(units=2), dict.fromkeys(LAYERS, 0.95))
    assert _own(tried) == []  # of two units one is left at 0.5
    own = _own(_run(_strategy(units=10, step=4), {"a": 0.6, "b": 0.95, "c": 0.6}))
    assert own[0][1]["b"] >= 0.9


def test_nothing_is_cut_on_where_nothing_kept_the_drop():
    tried = _run(_strategy(), dict.fromkeys(LAYERS, 0.0))
    assert _own(tried) == []


def test_a_refuted_candidate_of_its_own_ends_it():
    strategy = _strategy()
    tried = _run(strategy, {"a": 0.5, "b": 0.7, "c": 0.5})
    last = max(candidate.number for candidate, _, kept in _own(tried) if kept)
    strategy.refuted(last)
    assert strategy.ask(3) == []


def test_a_refuted_waypoint_is_looked_for_again():
    strategy = _strategy()
    tried = _run(strategy, dict.fromkeys(LAYERS, 0.5))
    best = next(c.number for c, ratios, _ in tried if set(ratios.values()) == {0.5})
    strategy.refuted(best)
    again = _run(strategy, dict.fromkeys(LAYERS, 0.4))
    found = [ratios["a"] for candidate, ratios, _ in again if " of the " in candidate.name]
    assert max(found) < 0.5
    assert 0.3 in found
