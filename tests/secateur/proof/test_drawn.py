"""Random models of every kind of layer: copies, cuts, scores and masks against slow references."""

import inspect
import os

import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.secateur.proof.drawn import ALL, build, check, check_copy, data, programs
from tests.secateur.proof.kinds import OUT, STEPS

MOST = int(os.environ.get("SECATEUR_DRAWN", "6"))
"""Models that are drawn; `python -m tests.secateur.proof.search_drawn` draws for minutes."""


def test_every_class_of_keras_is_drawn_or_named():
    layers = keras.layers
    public = {
        value
        for value in vars(layers).values()
        if inspect.isclass(value) and issubclass(value, layers.Layer)
    }
    drawn = {getattr(layers, name) for name in STEPS} | {layers.InputLayer}
    left_out = {getattr(layers, name) for name in OUT}
    assert {kind.__name__ for kind in public - drawn - left_out} == set()
    assert left_out <= public
    assert not left_out & drawn


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(ALL), 20))
def test_each_step_by_itself_is_of_its_class_and_can_be_copied(start):
    for name in sorted(ALL)[start : start + 20]:
        model = build([(name, 0, 1)])
        if name in STEPS:
            kinds = {type(layer).__name__ for layer in model._flatten_layers()}
            assert getattr(keras.layers, name).__name__ in kinds
        check_copy(model, data(model)[0])


@given(program=programs(), seed=st.integers(0, 99))
@settings(
    max_examples=MOST,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_what_holds_of_random_models(program, seed):
    check(program, seed)
