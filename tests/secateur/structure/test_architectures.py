"""Real architectures: cut, saved, loaded, trained and exported. All of them: `pytest -m matrix`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur import structure
from secateur.models.architectures.resnet import resnet_20
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import batch, check_cut, magnitude, outputs, randomize

QUICK = {
    "resnet_20": lambda: resnet_20((16, 16, 3), 10),
    "MobileNetV2": zoo.APPLICATIONS["MobileNetV2"],
    "ViT": zoo.vit,
    "GPT": zoo.gpt,
    "UNet": zoo.u_net,
    "LSTMClassifier": zoo.lstm_classifier,
}
ALL = {**zoo.BUILT_HERE, **zoo.APPLICATIONS, "resnet_20": QUICK["resnet_20"]}
KINDS = ("channel", "head", "width")


def cut_by(model, share):
    graph = structure.analyse(model)
    removal = structure.choose(
        graph, magnitude(model), ratio=share, allocation="uniform", kinds=KINDS
    )
    total = sum(group.channels for group in graph.groups)
    assert removal.removed.sum() == pytest.approx(share * total, abs=1)
    return check_cut(graph, removal.removed)


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


def check_litert(small, tmp_path):
    """The exported model computes what the Keras model does."""
    path = str(tmp_path / "model.tflite")
    small.export(path, format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(path)  # the runner does not keep it alive
    run = interpreter.get_signature_runner()
    x = batch(small, 1)
    given = {t.name: v for t, v in zip(small.inputs, keras.tree.flatten(x), strict=True)}
    got, want = run(**given), outputs(small, x)
    assert len(got) == len(want)
    for number, value in enumerate(want):
        scale = np.abs(value).max()
        np.testing.assert_allclose(got[f"output_{number}"], value, atol=1e-3 * scale)


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("name", QUICK)
def test_an_architecture_is_cut(name, share, tmp_path):
    small = cut_by(randomize(QUICK[name]()), share)
    if share == 0.7:
        check_life(small, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet_20", "ViT"])
def test_a_cut_model_is_exported(name, tmp_path):
    check_litert(cut_by(randomize(QUICK[name]()), 0.5), tmp_path)


@pytest.mark.matrix
@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("name", ALL)
def test_the_matrix(name, share, tmp_path):
    small = cut_by(randomize(ALL[name]()), share)
    check_life(small, tmp_path)
    check_litert(small, tmp_path)
