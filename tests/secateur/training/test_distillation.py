"""Distillation against its formula, its zeros, and over a kill."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.models.weights import content_digest
from secateur.sparsity.hold import hold
from secateur.training.distill_config import DistillConfig
from secateur.training.distillation import Taught, taught_by
from secateur.training.objective import Objective, compile_for
from tests.secateur.training.nets import OUTPUTS, fitted, half, net, split


def _softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _logits(model, x, kind):
    z = model(x, training=False).numpy().astype(np.float64)
    if model.layers[-1].activation is keras.activations.softmax:
        z = np.log(z)
    elif model.layers[-1].activation is keras.activations.sigmoid:
        z = np.log(z / (1 - z))
    return np.stack([z, np.zeros_like(z)], -1) if kind in ("binary", "multi_label") else z


CASES = [
    ("classification", None),
    ("classification", "softmax"),
    ("binary", None),
    ("binary", "sigmoid"),
    ("multi_label", None),
]


@pytest.mark.parametrize(("kind", "activation"), CASES)
def test_the_loss_is_that_of_hinton(kind, activation):
    """(1 - w) loss + w T² KL, computed by hand."""
    student, teacher = (net(OUTPUTS[kind], activation, seed, dropout=0) for seed in (1, 2))
    student.get_layer("norm").trainable = False  # in training it would use the batch's statistics
    objective, temperature, weight = Objective(kind), 3.0, 0.75
    config = DistillConfig(weight=weight, temperature=temperature)
    taught = Taught(student, teacher, config, objective)
    compile_for(taught, keras.optimizers.SGD(0.0), objective=objective, outputs_of=student)
    x, y = split(30, kind=kind).arrays()
    plain = float(objective.loss(student)(y, student(x, training=False)))
    p, q = (_softmax(_logits(m, x, kind) / temperature) for m in (teacher, student))
    divergence = (p * np.log(p / q)).sum(-1).mean()
    expected = (1 - weight) * plain + weight * temperature**2 * divergence
    assert taught.train_on_batch(x, y, return_dict=True)["loss"] == pytest.approx(
        expected, rel=1e-4
    )
    # Validation is about the labels alone.
    assert taught.test_on_batch(x, y, return_dict=True)["loss"] == pytest.approx(plain, rel=1e-4)


def test_a_regression_learns_the_teachers_numbers():
    student, teacher = (net(2, None, seed, dropout=0) for seed in (1, 2))
    student.get_layer("norm").trainable = False
    objective = Objective("regression")
    taught = Taught(student, teacher, DistillConfig(weight=0.5), objective)
    compile_for(taught, keras.optimizers.SGD(0.0), objective=objective, outputs_of=student)
    x, y = split(30, kind="regression").arrays()
    own, theirs = student(x, training=False).numpy(), teacher(x, training=False).numpy()
    expected = ((own - y) ** 2).mean() / 2 + ((own - theirs) ** 2).mean() / 2
    got = taught.train_on_batch(x, y, return_dict=True)["loss"]
    assert got == pytest.approx(expected, rel=1e-4)


def test_features_are_compared_layer_by_layer():
    student, teacher = (net(seed=seed, dropout=0) for seed in (1, 2))
    student.get_layer("norm").trainable = False
    taught = Taught(student, teacher, DistillConfig(features=2.0), Objective())
    compile_for(taught, keras.optimizers.SGD(0.0), outputs_of=student)
    x, y = split(30).arrays()
    expected = float(Objective().loss(student)(y, student(x, training=False)))
    for name in ("first", "norm", "second"):
        inside = (keras.Model(m.inputs, m.get_layer(name).output) for m in (student, teacher))
        own, theirs = (m(x, training=False).numpy() for m in inside)
        expected += 2.0 * ((own - theirs) ** 2).mean()
    got = taught.train_on_batch(x, y, return_dict=True)["loss"]
    assert got == pytest.approx(expected, rel=1e-4)


def test_layers_can_be_chosen_and_none_that_fit_are_refused():
    student, teacher = net(seed=1), net(seed=2)
    config = DistillConfig(features=1.0, layers=("sec*",))
    assert Taught(student, teacher, config, Objective())._features == ()
    with pytest.raises(ValueError, match=r"no layers that match conv\* whose outputs have the sa"):
        Taught(student, teacher, DistillConfig(features=1.0, layers=("conv*",)), Objective())


def test_regularisation_counts_in_full():
    student, teacher = net(seed=1, dropout=0), net(seed=1, dropout=0)
    student.get_layer("norm").trainable = teacher.get_layer("norm").trainable = False
    student.get_layer("first").kernel.regularizer = lambda w: 7.0 + 0 * keras.ops.sum(w)
    taught = Taught(student, teacher, DistillConfig(weight=1.0), Objective())
    compile_for(taught, keras.optimizers.SGD(0.0), outputs_of=student)
    got = taught.train_on_batch(*split(30).arrays(), return_dict=True)["loss"]
    assert got == pytest.approx(7.0, abs=1e-4)


@pytest.mark.parametrize(
    "config",
    [pytest.param({"weight": 0.9}, marks=pytest.mark.slow), {"weight": 0.5, "features": 0.1}],
)
def test_zeros_stay_the_teacher_does_not_move_and_a_kill_changes_no_bit(config, tmp_path):
    teacher = net(seed=3)
    taught, before = DistillConfig(**config), content_digest(teacher)

    def die(epoch, _):  # the rate depends on the epochs in all, so fewer of them are no kill
        if epoch >= 2:
            raise KeyboardInterrupt

    def trained(epochs, folder=None, progress=None):
        student = net(seed=1)
        masks = half(student)
        options = {"around": taught_by(teacher, taught, Objective()), "progress": progress}
        with hold(student, masks):
            history = fitted(student, epochs, folder, rate_schedule="cosine", **options)
        for path in masks:
            kernel = student.get_layer(path.partition("/")[0]).kernel.numpy()
            assert not kernel[~masks[path]].any()
        return content_digest(student), history

    whole = trained(4)
    with pytest.raises(KeyboardInterrupt):
        trained(4, tmp_path, die)
    assert trained(4, tmp_path) == whole
    assert content_digest(teacher) == before
    size = sum(w.size for w in teacher.get_weights())
    with np.load(tmp_path / "epoch.npz") as saved:  # weights, and Adam's two moments
        assert sum(saved[f].size for f in saved.files if f.isdigit()) < 4 * (3 * size + 10)


def test_without_a_teacher_or_a_weight_nothing_goes_around():
    assert taught_by(None, DistillConfig(weight=1.0), Objective()) is None
    assert taught_by(net(), DistillConfig(), Objective()) is None
