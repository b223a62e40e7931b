"""Parameters of training: bounds, and what an unknown one meets."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig


@pytest.mark.parametrize("config", [TrainConfig, FineTuneConfig])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", -1),
        ("epochs", 100_001),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("learning_rate", 0),
        ("learning_rate", 11),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("epoch", 1),
    ],
)
def test_what_is_out_of_bounds_or_unknown_is_refused(config, field, value):
    with pytest.raises(ValidationError, match=field):
        config(**{field: value})


@pytest.mark.parametrize("config", [TrainConfig, FineTuneConfig])
def test_bounds_themselves_are_allowed(config):
    assert config(epochs=0, batch_size=1, learning_rate=10).epochs == 0


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_the_seed_of_fine_tuning_is_a_whole_number_of_31_bits(seed):
    with pytest.raises(ValidationError, match="seed"):
        FineTuneConfig(seed=seed)


@pytest.mark.parametrize(
    ("examples", "batch", "steps"),
    [(1, 1, 1), (63, 1, 63), (64, 2, 32), (108, 2, 54), (128, 4, 32), (1023, 16, 64)],
)
def test_small_data_sets_have_smaller_batches(examples, batch, steps):
    config = TrainConfig(epochs=1)
    assert (config.batch(examples), config.steps(examples)) == (batch, steps)
    assert f"takes {batch} of them" in config.told(examples)[0]


@pytest.mark.parametrize("examples", [1024, 4000, 60_000])
def test_others_have_32_a_step(examples):
    assert TrainConfig(epochs=1).batch(examples) == 32
    assert TrainConfig(epochs=1).told(examples) == []
    assert TrainConfig(epochs=1, batch_size=7).batch(10) == 7
