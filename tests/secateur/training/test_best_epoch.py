"""The best epoch by validation, early stopping, and both over a kill."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.models.weights import content_digest
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.gradual import GradualPruning
from secateur.sparsity.hold import hold
from secateur.training.best_epoch import BestEpoch
from tests.secateur.training.nets import fitted, half, net, split


class _Each(keras.callbacks.Callback):
    """The weights after each epoch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


class _Spoil(keras.callbacks.Callback):
    """Makes the model useless from the fourth epoch on."""

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch >= 3:
            self.model.get_layer("last").bias.assign([50.0, 0.0, 0.0])

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def _best(history, metric="val_accuracy"):
    pairs = list(zip(history[metric], (-loss for loss in history["val_loss"]), strict=True))
    return pairs.index(max(pairs))


def test_the_weights_of_the_best_epoch_stay_and_its_zeros():
    model, each = net(), _Each()
    masks = half(model)
    with hold(model, masks):
        history = fitted(model, 5, keep="best", companions=[each, _Spoil()])
    best = _best(history)
    assert best < 3
    for kept, then in zip(model.get_weights(), each.weights[best], strict=True):
        np.testing.assert_array_equal(kept, then)
    assert not model.get_layer("first").kernel.numpy()[~masks["first/kernel"]].any()


def test_a_training_that_is_stopped_has_the_best_epoch_and_goes_on_to_the_same_bits(tmp_path):
    def trained(folder=None, stop=None):
        model, each = net(), _Each()
        history = fitted(model, 7, folder, companions=[each, _Spoil()], stop=stop)
        return model, history, each.weights

    whole, history, _ = trained()
    asked = []
    stopped, short, weights = trained(tmp_path, lambda done: asked.append(done) or done == 5)
    assert asked == [1, 2, 3, 4, 5]
    assert short == {name: values[:5] for name, values in history.items()}
    assert _best(short) < 3
    for kept, then in zip(stopped.get_weights(), weights[_best(short)], strict=True):
        np.testing.assert_array_equal(kept, then)
    resumed, longer, _ = trained(tmp_path, lambda done: asked.append(done) or False)
    assert asked == [1, 2, 3, 4, 5, 6]
    assert longer == history
    assert content_digest(resumed) == content_digest(whole)  # the last epoch: nobody stopped it


@pytest.mark.parametrize(
    "killed_after", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 6))]
)
def test_a_killed_training_knows_its_best_epoch(killed_after, tmp_path):
    def trained(epochs, folder=None):
        model = net()
        with hold(model, half(model)):
            history = fitted(model, epochs, folder, learning_rate=0.3, keep="best")
        return content_digest(model), history

    whole = trained(6)
    trained(killed_after, tmp_path)
    assert trained(6, tmp_path) == whole


@pytest.mark.slow
def test_training_stops_when_none_better_comes_and_does_not_go_on_after_a_kill(tmp_path):
    def trained(folder=None, limit=40):
        model = net()
        return fitted(model, limit, folder, learning_rate=0.3, patience=3), content_digest(model)

    whole = trained()
    length = len(whole[0]["loss"])
    assert _best(whole[0]) == length - 4
    assert length < 40
    assert trained(tmp_path) == whole
    assert trained(tmp_path) == whole  # the checkpoint is that of a training that has stopped
    other = tmp_path / "other"
    other.mkdir()
    trained(other, length - 2)
    assert trained(other) == whole


def test_epochs_in_which_less_is_pruned_do_not_count(tmp_path):
    """Dense epochs are better here; what stays has the full ratio, and the masks of its epoch."""

    def trained(epochs=6, folder=None):
        model = net()
        target = TargetConfig(ratio=0.8, schedule="gradual", end=0.6, frequency=3)
        score = lambda: {"last/kernel": np.abs(model.get_layer("last").kernel.numpy())}  # noqa: E731
        with GradualPruning(model, target, 42, score) as pruning:
            fitted(model, epochs, folder, keep="best", companions=[pruning])
            masks = pruning.masks
        kernel = model.get_layer("last").kernel.numpy()
        assert not kernel[~masks["last/kernel"]].any()
        return (kernel == 0).mean(), content_digest(model)

    sparsity, whole = trained()
    assert sparsity == pytest.approx(0.8, abs=0.05)
    trained(4, tmp_path)
    assert trained(6, tmp_path) == (sparsity, whole)


def test_a_lower_error_is_better_where_the_objective_says_so():
    model = net()
    best = BestEpoch(model, "mae", higher=False)
    for epoch, mae in enumerate([3.0, 1.0, 2.0]):
        model.set_weights([np.full_like(w, epoch) for w in model.get_weights()])
        best.on_epoch_end(epoch, {"val_mae": mae, "val_loss": 1.0})
    best.put_back()
    assert all((w == 1).all() for w in model.get_weights())


@pytest.mark.parametrize("field", [{"keep": "best"}, {"patience": 2}])
def test_without_a_validation_split_it_is_refused(field):
    from secateur.training.fit import fit
    from secateur.training.fit_config import FitConfig

    config = FitConfig(epochs=2, **field)
    with pytest.raises(ValueError, match=rf"fit\.{next(iter(field))} is .* split is empty; give"):
        fit(net(), split(), split(0), config, seed=1)
