"""Models that others trained, from files of this machine."""

from __future__ import annotations

import importlib
import sys

import keras
import numpy as np
import pytest

from secateur.models.build import build_model
from secateur.models.config import ModelConfig
from secateur.models.files import load_model, save_model
from secateur.models.sources import application_names, check_model, source_fingerprint
from secateur.models.weights import content_digest


def test_the_names_are_those_of_keras():
    functions = {name for name in vars(keras.applications) if name[0].isupper()}
    assert set(application_names()) == functions


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    """A MobileNetV2 without its top, and the file of its weights."""
    keras.utils.set_random_seed(1)
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    file = tmp_path_factory.mktemp("weights") / "no_top.weights.h5"
    model.save_weights(file)
    return model, str(file)


def test_an_application_has_the_weights_of_its_file_and_its_preprocessing(body, tmp_path):
    base, file = body
    config = ModelConfig(application="MobileNetV2", weights=file)
    check_model(config)
    model = build_model(config, (32, 32, 3), 5)
    x = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    features = base(x * 2 - 1, training=False).numpy().mean((1, 2))
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(model(x), features @ kernel + bias, rtol=1e-3, atol=1e-4)
    save_model(model, tmp_path / "model.keras")
    assert content_digest(load_model(tmp_path / "model.keras")) == content_digest(model)


def test_the_weights_are_part_of_the_key(body, tmp_path):
    before = source_fingerprint(ModelConfig(application="MobileNetV2", weights=body[1]))
    (tmp_path / "other.h5").write_bytes(b"other")
    other = ModelConfig(application="MobileNetV2", weights=str(tmp_path / "other.h5"))
    assert source_fingerprint(other) != before
    with pytest.raises(ValueError, match="does not hold the weights of MobileNetV2 without"):
        build_model(other, (32, 32, 3), 5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"application": "MobilNetV2"}, "is no name of keras.applications; did you mean 'Mobile"),
        ({"application": "VGG16", "weights": "none.h5"}, "is no file; give a .h5 file"),
        ({"preset": "nowhere"}, "allowed is the folder of a KerasHub preset"),
    ],
)
def test_what_is_not_there_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_model(ModelConfig(**given))


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match=r"MobileNetV2 does not take images .* dataset.image_size"):
        build_model(ModelConfig(application="MobileNetV2"), (8, 8, 3), 5)


def test_a_preset_names_the_extra_that_it_needs(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"keras-hub.*pip install 'secateur\[hub\]'"):
        check_model(ModelConfig(preset=str(tmp_path)))


LAYER = """
import keras

@keras.saving.register_keras_serializable("mine")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return {} * x
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file with a layer of a user's own, as another process would have saved it."""
    (tmp_path / "layers_of_a_test.py").write_text(LAYER.format(2))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("SECATEUR_MODEL_MODULES", raising=False)
    monkeypatch.chdir(tmp_path)
    doubled = importlib.import_module("layers_of_a_test").Doubled()
    layers = [keras.Input((4,)), doubled, keras.layers.Dense(3)]
    keras.Sequential(layers).save(tmp_path / "model.keras")
    _forget()
    yield ModelConfig(path=str(tmp_path / "model.keras"))
    _forget()


def _forget():
    sys.modules.pop("layers_of_a_test", None)
    keras.saving.get_custom_objects().pop("mine>Doubled", None)


def test_layers_of_ones_own_need_the_operators_word(own, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="'layers_of_a_test', which the operator has not allowed"):
        check_model(own)
    with pytest.raises(ValueError, match="the operator has not allowed"):
        load_model(own.path)
    assert "layers_of_a_test" not in sys.modules
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "layers_of_a_test")
    model = build_model(own, (4,), 3)
    x = np.ones((1, 4), np.float32)
    kernel = model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(model(x), 2 * x @ kernel, rtol=1e-5)
    before, digest = source_fingerprint(own), content_digest(model)
    (tmp_path / "layers_of_a_test.py").write_text(LAYER.format(3))
    assert source_fingerprint(own) != before
    assert content_digest(model) != digest  # what the layer does belongs to the model
