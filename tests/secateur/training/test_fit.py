from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.models.weights import content_digest, prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import hold
from secateur.sparsity.layout import describe
from secateur.sparsity.select import select
from secateur.training.batches import calibration, ordered, shuffled
from secateur.training.fit import DivergedError, fit
from secateur.training.fit_config import FitConfig


def _split(count=50, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 255, (count, 4, 4, 1)).astype(np.uint8)
    return Split(x, (x.mean((1, 2, 3)) > 127).astype(np.int64), 1 / 255)


def _model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4, 4, 1), name="input"),
            layers.Flatten(name="flatten"),
            layers.Dense(8, activation="tanh", name="hidden"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(2, name="logits"),
        ],
        name="net",
    )


def _fit(model, epochs, folder=None, train=None, **options):
    fields = {k: options.pop(k) for k in FitConfig.model_fields if k in options}
    config = FitConfig.model_construct(
        epochs=epochs, **{"batch_size": 8, "learning_rate": 0.01, **fields}
    )
    options = {"seed": 5, **options}
    return fit(model, train or _split(), _split(10, 1), config, checkpoints=folder, **options)


def test_no_tuner_holds_up_the_end_of_an_epoch():
    """It sleeps for up to a minute and misses that it is over; no thread of it may be there."""
    split = _split(21)
    for batches in (shuffled(split, 8, seed=3, epoch=tf.Variable(0)), ordered(split, 8)):
        assert batches.options().autotune.enabled is False


def test_every_epoch_sees_every_example_once_in_an_order_of_its_own():
    split = _split(21)
    epoch = tf.Variable(0)
    batches = shuffled(split, 8, seed=3, epoch=epoch)
    orders = []
    for number in (0, 1, 0):
        epoch.assign(number)
        x = np.concatenate([x for x, _ in batches.as_numpy_iterator()])
        orders.append(x)
        np.testing.assert_array_equal(
            np.sort(x.reshape(21, -1), axis=0), np.sort(split.arrays()[0].reshape(21, -1), axis=0)
        )
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_labels_stay_with_their_inputs():
    split = _split(21)
    pairs = {x.tobytes(): y for x, y in zip(*split.arrays(), strict=True)}
    for x, y in shuffled(split, 8, seed=3, epoch=tf.Variable(0)).as_numpy_iterator():
        assert all(pairs[one.tobytes()] == label for one, label in zip(x, y, strict=True))


def test_a_split_too_large_for_memory_gives_the_same_batches(monkeypatch):
    split = _split(21)
    expected = list(shuffled(split, 8, 3, tf.Variable(2)).as_numpy_iterator())
    monkeypatch.setattr("secateur.training.batches.IN_MEMORY", 0)
    from_file = list(shuffled(split, 8, 3, tf.Variable(2)).as_numpy_iterator())
    for (x, y), (x_file, y_file) in zip(expected, from_file, strict=True):
        np.testing.assert_array_equal(x, x_file)
        np.testing.assert_array_equal(y, y_file)


def test_calibration_draws_by_the_seed(monkeypatch):
    split = _split(30)
    x, y = calibration(split, 7, seed=1)
    assert (len(x), len(y)) == (7, 7)
    np.testing.assert_array_equal(x, calibration(split, 7, seed=1)[0])
    assert not np.array_equal(x, calibration(split, 7, seed=2)[0])
    monkeypatch.setattr("secateur.training.batches.IN_MEMORY", 0)
    streamed = calibration(split, 7, seed=1)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in streamed.as_numpy_iterator()]), x)


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_resumed_training_ends_at_the_same_bits(killed_after, tmp_path):
    whole, killed, resumed = _model(), _model(), _model()
    history = _fit(whole, 5)
    _fit(killed, killed_after, tmp_path)
    told = []
    resumed_history = _fit(resumed, 5, tmp_path, progress=lambda epoch, _: told.append(epoch))
    assert killed_after < told[0] <= killed_after + 1
    assert content_digest(resumed) == content_digest(whole)
    assert content_digest(killed) != content_digest(whole)
    assert resumed_history == history
    assert len(history["val_loss"]) == 5


def test_a_resumed_fine_tuning_holds_its_zeros_and_ends_at_the_same_bits(tmp_path):
    def tuned(epochs, folder=None, progress=None):
        model = _model()
        scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
        masks = select(scores, TargetConfig(ratio=0.75), layers=describe(model))
        with hold(model, masks):
            _fit(model, epochs, folder, progress=progress)
        for weight in prunable_weights(model):
            assert not weight.variable.numpy()[~masks[weight.path]].any()
        return content_digest(model)

    told = []
    whole, killed = tuned(4), tuned(2, tmp_path)
    resumed = tuned(4, tmp_path, lambda epoch, _: told.append(epoch))
    assert 2 < told[0] <= 3
    assert resumed == whole != killed


class _Noise(keras.callbacks.Callback):
    """A companion: scales a weight, after each batch, by how many batches it has seen."""

    def __init__(self, model, name, rate):
        super().__init__()
        self._weight, self._rate = model.get_layer(name).kernel, rate
        self.count = 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        self._weight.assign(self._weight * (1 + self._rate / self.count))

    def state(self):
        return {"count": np.array(self.count)}

    def restore(self, state):
        self.count = int(state["count"])


def test_companions_of_one_kind_keep_their_own_state_over_a_kill(tmp_path):
    def trained(epochs, folder=None):
        model = _model()
        along = [_Noise(model, "hidden", 0.1), keras.callbacks.Callback()]
        along += [_Noise(model, "logits", -0.1)]
        along[0].count = 3
        _fit(model, epochs, folder, companions=along, optimizer=keras.optimizers.AdamW)
        return content_digest(model), along[0].count, along[2].count

    whole, killed = trained(4), trained(2, tmp_path)
    assert trained(4, tmp_path) == whole != killed
    assert whole[1] == whole[2] + 3


def test_a_damaged_checkpoint_starts_anew(tmp_path, caplog):
    whole, again = _model(), _model()
    _fit(whole, 3, tmp_path)
    (tmp_path / "epoch.npz").write_bytes(b"not a checkpoint")
    _fit(again, 3, tmp_path)
    assert content_digest(again) == content_digest(whole)
    assert "cannot be read" in caplog.text


def test_the_same_arguments_give_the_same_bits():
    first, second, other = _model(), _model(), _model()
    _fit(first, 2)
    _fit(second, 2)
    _fit(other, 2, seed=6)
    assert content_digest(first) == content_digest(second) != content_digest(other)


def test_without_epochs_nothing_changes():
    model = _model()
    before = content_digest(model)
    assert _fit(model, 0) == {}
    assert content_digest(model) == before


def test_an_optimizer_step_is_the_one_of_keras():
    """One epoch here equals Keras's own train_on_batch over the same batches."""
    split, epoch = _split(), tf.Variable(0)
    ours, theirs = _model(), _model()
    _fit(ours, 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    for x, y in shuffled(split, 8, 5, epoch).as_numpy_iterator():
        theirs.train_on_batch(x, y)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_loss_that_is_not_finite_names_the_epoch_and_the_setting():
    split = _split()
    broken = Split(np.full(split.x.shape, np.nan, np.float32), split.y, 1.0)
    said = r"nan in epoch 1; lower train\.learning_rate \(0\.01\)"
    with pytest.raises(DivergedError, match=said):
        _fit(_model(), 2, train=broken, group="train")


def test_a_loss_that_explodes_later_names_that_epoch_and_keeps_no_checkpoint_of_it(tmp_path):
    """One step an epoch: the first loss is fine, and the weights are far off after it."""
    config = FitConfig.model_construct(epochs=5, batch_size=64, learning_rate=1e38)
    said = r"(nan|inf) in epoch 2; lower fit\.learning_rate \(1e\+38\)"
    with pytest.raises(DivergedError, match=said):
        fit(_model(), _split(), _split(0), config, seed=0, checkpoints=tmp_path)
    with np.load(tmp_path / "epoch.npz") as saved:
        assert b'"epochs": 1,' in saved["about"].tobytes()


def test_a_validation_loss_that_is_not_finite_ends_the_training():
    with pytest.raises(DivergedError, match=r"validation loss became (nan|inf) in epoch 1; lower"):
        _fit(_model(), 1, batch_size=64, learning_rate=1e38)


def test_progress_is_told_in_epochs_and_never_goes_back():
    told = []
    _fit(_model(), 3, progress=lambda epoch, metrics: told.append((epoch, metrics)))
    epochs = [epoch for epoch, _ in told]
    assert epochs == sorted(epochs)
    assert {1.0, 2.0, 3.0} <= set(epochs)
    assert epochs[-1] == 3.0
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == set(told[-1][1])


def test_a_finished_training_is_not_trained_again(tmp_path):
    first, again = _model(), _model()
    history = _fit(first, 2, tmp_path)
    told = []
    assert _fit(again, 2, tmp_path, progress=lambda *told_of: told.append(told_of)) == history
    assert content_digest(again) == content_digest(first)
    assert told == []


def test_an_empty_validation_split_is_left_out():
    history = fit(_model(), _split(), _split(0), FitConfig(epochs=1, batch_size=8), seed=0)
    assert set(history) == {"loss", "accuracy"}


def test_the_history_is_that_of_each_epoch():
    """The last validation figures are those of the model that training leaves."""
    from secateur.evaluation.accuracy import measure_accuracy

    model = _model()
    history = _fit(model, 3)
    loss, metrics = measure_accuracy(model, _split(10, 1))
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert history["val_accuracy"][-1] == pytest.approx(metrics["accuracy"])


def test_the_order_is_kept_where_nothing_is_shuffled():
    split = _split(21)
    x = np.concatenate([x for x, _ in ordered(split, 8).as_numpy_iterator()])
    np.testing.assert_array_equal(x, split.arrays()[0])
