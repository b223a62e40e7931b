"""The architectures of text and tables: shapes, what they refuse, saved and loaded."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.datasets.traits import Traits
from secateur.models.architectures import TEXT_BUILDERS
from secateur.models.build import build_model
from secateur.models.config import ModelConfig
from secateur.models.files import load_model, save_model
from secateur.models.weights import content_digest

TEXT = Traits(vocabulary=50)
TOKENS = np.random.default_rng(0).integers(0, 50, (3, 12)).astype(np.int32)

# Counted by hand; D = 64, V = 50, length 12.
BLOCK = 4 * (64 * 64 + 64) + 64 * 256 + 256 + 256 * 64 + 64 + 4 * 64
PLACED = 50 * 64 + 64 * 64 + 12 * 64
PARAMETERS = {
    "text_cnn": 50 * 64 + (3 + 4 + 5) * 64 * 64 + 3 * 64 + 192 * 7 + 7,
    "text_lstm": 50 * 64 + 2 * 4 * (64 * 64 + 64 * 64 + 64) + 128 * 7 + 7,
    "text_transformer": PLACED + 2 * BLOCK + 2 * 64 + 64 * 7 + 7,
    "gpt": PLACED + 4 * BLOCK + 2 * 64 + 64 * 50 + 50,
}


def _build(name):
    traits = TEXT.model_copy(update={"task": "language_model"}) if name == "gpt" else TEXT
    return build_model(ModelConfig(name=name), (12,), 50 if name == "gpt" else 7, traits)


@pytest.mark.parametrize("name", TEXT_BUILDERS)
def test_a_model_of_text_is_saved_and_loaded(name, tmp_path):
    model = _build(name)
    assert model.count_params() == PARAMETERS[name]
    outputs = keras.ops.convert_to_numpy(model(TOKENS))
    assert outputs.shape == ((3, 12, 50) if name == "gpt" else (3, 7))
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert content_digest(loaded) == content_digest(model)
    np.testing.assert_allclose(loaded(TOKENS), outputs, rtol=1e-5, atol=1e-6)


def test_gpt_does_not_look_ahead():
    model = _build("gpt")
    other = TOKENS.copy()
    other[:, 7] = (other[:, 7] + 1) % 50
    one, two = (keras.ops.convert_to_numpy(model(x)) for x in (TOKENS, other))
    np.testing.assert_allclose(one[:, :7], two[:, :7], rtol=1e-5, atol=1e-6)
    assert (np.abs(one[:, 7:] - two[:, 7:]).max(axis=-1) > 1e-4).all()


@pytest.mark.parametrize("name", ["text_transformer", "gpt"])
def test_a_transformer_knows_where_a_token_stands(name):
    model = _build(name)
    same = np.full((1, 12), 5, np.int32)
    model.get_layer("positions").bias.assign(np.random.default_rng(0).normal(size=(12, 64)))
    moved = np.where(np.arange(12) == 3, 6, same), np.where(np.arange(12) == 4, 6, same)
    one, two = (keras.ops.convert_to_numpy(model(x)) for x in moved)
    assert np.abs(one - two).max() > 1e-3


def test_a_table_is_normalised_inside_the_model(tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 4)) * [1, 10, 0, 5] + [0, 5, 3, 100]
    mean, variance = x.mean(0), x.var(0)
    traits = Traits(mean=tuple(mean), variance=tuple(variance))
    model = build_model(ModelConfig(name="tabular_mlp"), (4,), 3, traits)
    assert model.count_params() == 4 * 128 + 128 + 128 * 64 + 64 + 64 * 3 + 3
    shifted = Traits(mean=tuple(mean + 7), variance=tuple(variance))
    twin = build_model(ModelConfig(name="tabular_mlp"), (4,), 3, shifted)
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(model(x), twin(x + 7), rtol=1e-4, atol=1e-5)
    save_model(model, tmp_path / "model.keras")
    np.testing.assert_allclose(load_model(tmp_path / "model.keras")(x), model(x), rtol=1e-5)


def test_a_regression_gives_the_targets_units():
    traits = Traits(
        task="regression",
        mean=(0.0, 0.0),
        variance=(1.0, 1.0),
        target_mean=(150.0, -3.0),
        target_deviation=(80.0, 2.0),
    )
    model = build_model(ModelConfig(name="tabular_mlp"), (2,), 2, traits)
    model.get_layer("logits").kernel.assign(np.zeros((64, 2)))
    np.testing.assert_allclose(model(np.ones((1, 2))), [[150.0, -3.0]])


@pytest.mark.parametrize(
    ("name", "shape", "traits", "sentence"),
    [
        ("simple_net", (12,), TEXT, "takes numbers, but the data set gives tokens of text; "),
        ("text_cnn", (28, 28, 1), Traits(), "takes tokens of text, but the data set gives numbers"),
        ("tabular_mlp", (28, 28, 1), Traits(), "takes rows of a table, not inputs of shape"),
        ("simple_net", {"a": (2,), "b": (3,)}, Traits(), "have 2 inputs, a, b, and simple_net"),
        (
            "gpt",
            (12,),
            TEXT,
            r"shape \(batch, 12, 50\), but the data set has 50 classes",
        ),
    ],
)
def test_data_of_another_kind_are_refused(name, shape, traits, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_model(ModelConfig(name=name), shape, 50, traits)


def test_a_model_of_several_inputs_is_fitted_by_their_names(tmp_path):
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    outputs = keras.layers.Dense(4)(keras.layers.Concatenate()([a, b]))
    save_model(keras.Model([a, b], outputs), tmp_path / "model.keras")
    config = ModelConfig(path=str(tmp_path / "model.keras"))
    model = build_model(config, {"b": (3,), "a": (2,)}, 4)
    x = {"b": np.ones((1, 3)), "a": np.zeros((1, 2))}
    kernel = model.layers[-1].kernel.numpy()
    np.testing.assert_allclose(model(x), kernel[2:].sum(0)[None], rtol=1e-5)
    with pytest.raises(ValueError, match=r"takes inputs of shape a .*, but the data set gives a"):
        build_model(config, {"a": (2,), "c": (3,)}, 4)
