"""Weights of an early epoch, and learning rates that come again."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.training.early import EarlyWeights, rewind
from secateur.training.fit_config import FitConfig
from secateur.training.rates import last_of, learning_rate
from tests.secateur.training.nets import fitted, net


def _equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("epoch", [0, 2])
def test_they_are_those_that_a_training_of_so_many_epochs_gives(epoch, tmp_path):
    short, long, again = net(), net(), net()
    fitted(short, epoch)
    early = EarlyWeights(long, epoch)
    fitted(long, 4, companions=[early])
    early.save(tmp_path / "early.npz")
    assert not _equal(long.get_weights(), short.get_weights())
    rewind(again, tmp_path / "early.npz")
    assert _equal(again.get_weights(), short.get_weights())


def test_a_training_that_was_killed_later_still_has_them(tmp_path):
    whole, killed = net(), net()
    first, second = EarlyWeights(whole, 1), EarlyWeights(killed, 1)
    fitted(whole, 3, companions=[first])
    fitted(killed, 2, tmp_path, companions=[second])
    resumed = net()
    third = EarlyWeights(resumed, 1)
    fitted(resumed, 3, tmp_path, companions=[third])
    assert third.digest() == first.digest()
    assert _equal(resumed.get_weights(), whole.get_weights())
    other = EarlyWeights(net(seed=9), 0)
    assert other.digest() != first.digest()


def test_those_of_another_model_are_refused(tmp_path):
    EarlyWeights(net(outputs=2), 0).save(tmp_path / "early.npz")
    with pytest.raises(ValueError, match="belong to another model"):
        rewind(net(outputs=3), tmp_path / "early.npz")


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_the_last_rates_of_a_training_come_again(name):
    config = FitConfig(rate_schedule=name, warmup=0.1)
    whole, last = learning_rate(config, 50), last_of(config, 20, 50)
    assert [float(last(s)) for s in range(20)] == [float(whole(s)) for s in range(30, 50)]
    assert last_of(FitConfig(learning_rate=0.5), 20, 50) == 0.5


def test_fit_takes_them_in_place_of_its_own(tmp_path):
    """A training whose rates have fallen to nothing moves no weight."""
    model = net(dropout=0)
    model.get_layer("norm").trainable = False
    before = model.get_weights()
    spent = FitConfig(epochs=10_000, rate_schedule="cosine", learning_rate=1e-4)
    fitted(model, 1, learning_rate=1.0, rewound=spent)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-6)
