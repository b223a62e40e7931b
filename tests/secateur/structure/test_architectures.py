"""Real architectures: cut, saved, loaded, trained and exported. All of them: `pytest -m matrix`."""

import contextlib
import json
import re

import keras
import numpy as np
import pytest

from secateur import structure
from secateur.evaluation import litert
from secateur.models.architectures.resnet import resnet_20
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import (
    batch,
    check_cut,
    error_of,
    magnitude,
    outputs,
    randomize,
)

QUICK = {
    "resnet_20": lambda: resnet_20((16, 16, 3), 10),
    "MobileNetV2": zoo.APPLICATIONS["MobileNetV2"],
    "ViT": zoo.vit,
    "GPT": zoo.gpt,
    "UNet": zoo.u_net,
    "LSTMClassifier": zoo.lstm_classifier,
}
ALL = {"resnet_20": QUICK["resnet_20"], **zoo.APPLICATIONS, **zoo.BUILT_HERE}
KINDS = ("channel", "head", "width")


def built(build):
    """The same random weights in every run."""
    keras.utils.set_random_seed(0)
    return randomize(build())


def chosen(graph, share):
    """A share of each group, the lowest magnitudes first."""
    removal = structure.choose(
        graph, magnitude(graph.model), ratio=share, allocation="uniform", kinds=KINDS
    )
    total = sum(group.channels for group in graph.groups)
    assert removal.removed.sum() == pytest.approx(share * total, abs=1)
    return removal


@contextlib.contextmanager
def double_precision():
    """In it models are built in float64, where rounding cannot hide a mistake."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def check_life(small, tmp_path):
    """Saved and loaded it is the same; one step of training changes it, and nothing is NaN."""
    x = batch(small)
    small.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for want, got in zip(outputs(small, x), outputs(loaded, x), strict=True):
        np.testing.assert_array_equal(got, want)
    loaded.compile("sgd", "mse", jit_compile=False)
    before = [np.array(w) for w in loaded.trainable_weights]
    y = [np.zeros_like(v) for v in outputs(loaded, x)]
    loss = loaded.train_on_batch(x, y if len(y) > 1 else y[0])
    assert np.isfinite(loss)
    assert any(
        (a != np.array(b)).any() for a, b in zip(before, loaded.trainable_weights, strict=True)
    )


def check_litert(small):
    """The exported model computes what the Keras model does; returns the largest difference."""
    x = batch(small, 1)
    got = litert.Runner(litert.convert(small))(x)
    errors = [
        float(np.abs(a - b).max() / np.abs(b).max())
        for a, b in zip(got, outputs(small, x), strict=True)
    ]
    assert max(errors) < 1e-3
    return max(errors)


def _some(name, share):
    slow = name == "MobileNetV2" or (name, share) == ("resnet_20", 0.7)
    return pytest.param(name, share, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("name", "share"), [_some(n, s) for n in QUICK for s in (0.3, 0.7)])
def test_an_architecture_is_cut(name, share, tmp_path):
    graph = structure.analyse(built(QUICK[name]))
    small = check_cut(graph, chosen(graph, share).removed)
    if share == 0.7:
        check_life(small, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet_20", "ViT", "LSTMClassifier"])
def test_a_cut_model_is_exported(name):
    graph = structure.analyse(built(QUICK[name]))
    check_litert(check_cut(graph, chosen(graph, 0.5).removed))


@pytest.mark.matrix
@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("name", ALL)
def test_the_matrix(name, share, tmp_path, record_property):
    with double_precision():
        model = built(ALL[name])
    graph = structure.analyse(model)
    removed = chosen(graph, share).removed
    # Keras rounds the scale of attention, which follows from the width of the keys, to float32.
    rounded = any(group.kind == "width" for group in graph.groups)
    small = check_cut(graph, removed, tolerance=1e-7 if rounded else 1e-10)
    record_property("float64", error_of(graph, removed, small, batch(small)))
    # In float32 the layers of a deep network multiply each other's rounding.
    graph = structure.analyse(built(ALL[name]))
    removal = chosen(graph, share)
    small = check_cut(graph, removal.removed, tolerance=1e-3)
    record_property("float32", error_of(graph, removal.removed, small, batch(small)))
    check_life(small, tmp_path)
    record_property("litert", check_litert(small))
    record_property("model", name)
    record_property("share", share)
    record_property("groups", len(graph.groups))
    record_property("channels", sum(group.channels for group in graph.groups))
    record_property("parameters", [graph.model.count_params(), small.count_params()])
    record_property("flops", [graph.flops(), graph.flops(removal.removed)])
    record_property("stays", json.dumps(what_stays(graph)))


def what_stays(graph):
    """Reason, without names -> how many channels of how many layers stay for it."""
    found = {}
    for block, why in graph.kept:
        reason = re.sub(r"'[^']*'", "…", why[0])
        units = graph.unit_of[block.start : block.stop]
        channels = int((~graph.removable[units]).sum())
        number, layers = found.get(reason, (0, 0))
        found[reason] = (number + channels, layers + 1)
    return found
