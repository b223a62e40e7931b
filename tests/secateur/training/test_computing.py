from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.models.architectures import BUILDERS
from secateur.models.files import load_model, save_model
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.dynamic import DynamicSparsity, dense_gradients
from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.sparsity.gradual import GradualPruning
from secateur.sparsity.hold import hold
from secateur.training.compute_config import ComputeConfig
from secateur.training.computing import on_devices
from secateur.training.distill_config import DistillConfig
from secateur.training.distillation import taught_by
from secateur.training.fit import check_fit, fit
from secateur.training.fit_config import FitConfig
from secateur.training.objective import Objective
from secateur.training.regularizer_config import RegularizerConfig
from tests.secateur.training.nets import fitted, half, net, split

MIXED = ("mixed_bfloat16", "mixed_float16")


class _Watch(keras.callbacks.Callback):
    """Remembers in what the layers compute while the model trains."""

    def __init__(self, model):
        super().__init__()
        self._watched, self.precisions = model, {}

    def on_epoch_begin(self, epoch, logs=None):
        self.precisions = {layer.name: layer.compute_dtype for layer in self._watched.layers}


def _assert_plain(model, masks, path):
    """Zeros are zeros, and nothing of the precision is left, in the file neither."""
    save_model(model, path)
    for each in (model, load_model(path)):
        assert {layer.dtype_policy.name for layer in each._flatten_layers()} == {"float32"}
        weights = {f"{v.path}": v.numpy() for v in each.weights}
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
        assert each(np.zeros((1, 4), np.float32)).dtype == tf.float32
    zeros = {w: model.get_layer(w.partition("/")[0]).kernel.numpy() for w in masks}
    for path, array in zeros.items():
        assert (array[~masks[path]] == 0).all()
        assert (array[masks[path]] != 0).any()


@pytest.mark.parametrize("precision", MIXED)
def test_mixed_precision_trains_in_16_bits_and_leaves_none(precision, tmp_path):
    model, teacher = net(), net(seed=1)
    masks, watch = half(model), _Watch(model)
    taught = taught_by(teacher, DistillConfig(weight=0.5, features=1.0), Objective())
    with hold(model, masks):
        history = fitted(
            model,
            3,
            around=taught,
            companions=[watch],
            compute=ComputeConfig(precision=precision),
            regularizer=RegularizerConfig(penalty="group_lasso", strength=1e-3),
        )
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    short = precision.removeprefix("mixed_")
    assert set(watch.precisions.values()) == {short, "float32"}
    assert watch.precisions["last"] == "float32"
    assert watch.precisions["second"] == short
    assert scaled == (short == "float16")
    assert history["loss"][-1] < history["loss"][0]
    _assert_plain(model, masks, tmp_path / "model.keras")


@pytest.mark.parametrize("precision", MIXED)
def test_masks_move_in_mixed_precision_too(precision, tmp_path):
    model = net()
    config = ComputeConfig(precision=precision)
    with GradualPruning(model, TargetConfig(ratio=0.5, schedule="gradual"), 14) as pruning:
        fitted(model, 2, companions=[pruning], compute=config)
        masks = pruning.finish()
    assert round(masks.sparsity(), 1) == 0.5
    _assert_plain(model, masks, tmp_path / "gradual.keras")
    model = net()
    start, loss = half(model), Objective().loss(model)

    def gradients(_):
        return dense_gradients(model, start, loss, *split().arrays())

    rigl = DynamicConfig(method="rigl", frequency=3)
    with DynamicSparsity(model, start, rigl, 14, gradients) as moving:
        fitted(model, 2, companions=[moving], compute=config)
    assert moving.masks.digest() != start.digest()
    _assert_plain(model, moving.masks, tmp_path / "rigl.keras")


def test_xla_computes_the_same():
    penalty = RegularizerConfig(penalty="hard", ratio=0.5)
    ends = []
    for xla in (False, True):
        model = net(dropout=0)
        with GradualPruning(model, TargetConfig(ratio=0.5, schedule="gradual"), 14) as pruning:
            history = fitted(
                model,
                2,
                companions=[pruning],
                compute=ComputeConfig(xla=xla),
                regularizer=penalty,
                optimizer=keras.optimizers.SGD,
            )
            masks = pruning.finish()
        assert model.jit_compile == xla
        for path in masks:
            array = model.get_layer(path.partition("/")[0]).kernel.numpy()
            assert (array[~masks[path]] == 0).all()
        ends.append((model.get_weights(), history["val_loss"], masks.digest()))
    (weights, losses, digest), (compiled, same, other) = ends
    assert digest == other
    np.testing.assert_allclose(same, losses, atol=1e-5)
    for one, two in zip(weights, compiled, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


class _Outside(keras.layers.Layer):
    """Computes in Python, where XLA cannot follow."""

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], tf.float32), x.shape)


def test_a_step_that_xla_cannot_compile_is_one_sentence():
    model = keras.Sequential([keras.Input((4,)), _Outside(), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"^own.compute.xla is true, but XLA .* leave it out\.$"):
        fitted(model, 1, compute=ComputeConfig(xla=True), group="own")


def test_float32_on_one_device_takes_nothing_more():
    default = fitted(net(), 2, compute=ComputeConfig())
    said = fitted(net(), 2)
    assert default == said


@pytest.mark.slow
def test_accuracy_in_16_bits_is_that_in_32(mnist_5k):
    accuracies = {}
    for precision in ("float32", *MIXED):
        keras.utils.set_random_seed(0)
        model = BUILDERS["simple_net"](mnist_5k.shape, mnist_5k.classes)
        config = FitConfig(epochs=2, compute=ComputeConfig(precision=precision))
        history = fit(model, mnist_5k.train, mnist_5k.test, config, seed=0)
        accuracies[precision] = history["val_accuracy"][-1]
    assert accuracies["float32"] > 0.85
    for precision in MIXED:
        assert abs(accuracies[precision] - accuracies["float32"]) < 0.015, accuracies


def test_more_devices_than_there_are_is_one_sentence():
    compute = ComputeConfig(devices=1000)
    sentence = r"^train.compute.devices is 1000, but TensorFlow sees \d+ \w+ here; .*\.$"
    with pytest.raises(ValueError, match=sentence):
        on_devices(compute, "train")
    config = FitConfig(compute=compute)
    with pytest.raises(ValueError, match=sentence):
        check_fit(net(), split(), split(20, 1), config, Objective(), "train")


def test_xla_and_several_devices_do_not_go_together():
    with pytest.raises(ValueError, match="xla compiles a step for one device, but devices is 2"):
        ComputeConfig(xla=True, devices=2)


@pytest.fixture(scope="module")
def two_devices():
    """What `two_devices` tells; the graphics processors of this machine are not used."""
    environment = {**os.environ, "SECATEUR_CPU_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    code = (
        "from secateur.tasks.quiet import import_tensorflow; import_tensorflow(); "
        "from tests.secateur.training.two_devices import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["held", "gradual", "dynamic"])
def test_two_devices_give_what_one_gives(two_devices, way):
    told = two_devices[way]
    assert max(told["apart"], told["loss apart"], told["val_loss apart"]) < 1e-4, told
    assert told["same masks"]
    assert told["devices"] == 2
    assert told["same copies"]
    assert told["zeros"]


@pytest.mark.slow
def test_two_devices_share_any_batch_in_any_precision(two_devices):
    expected = {"finite": True, "devices": 2, "same copies": True, "zeros": True}
    assert two_devices["uneven"] == expected


@pytest.mark.slow
def test_a_third_device_has_to_be_asked_for(two_devices):
    assert two_devices["refusal"] == (
        "train.compute.devices is 3, but TensorFlow sees 2 CPUs here; set SECATEUR_CPU_DEVICES=3 "
        "for more."
    )
