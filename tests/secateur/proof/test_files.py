"""A right file passes its proof, whatever is in the model; seeds and LoRA are no difference."""

import keras
import numpy as np
import pytest
from keras import layers

from secateur.proof import ProofError
from secateur.proof.files import exported, prove_saved
from secateur.proof.quantized import distance
from tests.secateur.graph.zoo import MODELS, make, quantized

FORGETFUL = {
    "tables": "from the layer 'string_lookup.* on",  # an entry with a line break becomes two
    "subclassed": "computes something else",  # a plain attribute
    "own_layer": "cannot be read again",  # a lambda
}


def saved(model, tmp_path, **options):
    path = tmp_path / "model.keras"
    model.save(path)
    keras.config.enable_unsafe_deserialization()  # of the lambdas in the zoo
    return prove_saved(model, path, **options)


@pytest.mark.parametrize("name", [n for n in MODELS if n not in FORGETFUL])
def test_right_files_pass(name, tmp_path):
    (check,) = saved(make(name), tmp_path)
    assert check.difference <= check.tolerance
    assert check.examples == 4
    assert check.statement.endswith("computes what the model computes (on generated examples).")


@pytest.mark.parametrize("name", FORGETFUL)
def test_what_no_file_holds_is_reported(name, tmp_path):
    with pytest.raises(ProofError, match=FORGETFUL[name]) as stopped:
        saved(make(name), tmp_path)
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_quantized_models_pass(mode, tmp_path):
    (check,) = saved(quantized(mode), tmp_path)
    assert check.difference <= check.tolerance


def test_factors_of_lora_that_were_trained_are_added_to_the_kernel(tmp_path):
    model = make("lora")
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 6)), np.ones((8, 3)), verbose=0)
    (check,) = saved(model, tmp_path)
    assert check.difference <= check.tolerance


def test_what_draws_in_inference_draws_the_same(tmp_path):
    i = keras.Input((6,))
    model = keras.Model(i, layers.Dropout(0.5)(layers.Dense(9)(i), training=True))
    model(np.ones((2, 6)))
    (check,) = saved(model, tmp_path)
    assert check.difference == 0
    assert "computes what the model computes" in check.statement


@keras.saving.register_keras_serializable("files")
class Noise(layers.Layer):
    def call(self, x):
        return x + keras.ops.cast(np.random.normal(), x.dtype)


def test_what_is_something_else_each_time_is_told(tmp_path):
    i = keras.Input((6,))
    (check,) = saved(keras.Model(i, layers.Dense(3)(Noise()(i))), tmp_path)
    assert check.statement.endswith("each time, which was not compared.")


def test_real_examples_are_used_where_there_are_some(tmp_path):
    model = make("adapted_numbers")
    (check,) = saved(model, tmp_path, data=(np.ones((3, 4), "float32"), None))
    assert check.examples == 3
    assert "generated" not in check.statement


def test_small_outputs_of_exports_are_compared_by_their_size():
    theirs = np.array([[2e-4, 1e-4], [1e-4, 3e-4]])
    assert exported("f", theirs * (1 + 5e-4), theirs, 1e-3, 0.0).difference < 1e-3
    with pytest.raises(ProofError, match="gives other outputs"):
        exported("f", theirs[::-1], theirs, 1e-3, 0.0)
    assert exported("f", theirs * 1e-6 + 1e-9, theirs * 1e-6, 1e-3, 0.0).difference < 1e-3
    with pytest.raises(ProofError):
        exported("f", np.array([[np.nan, 1.0]]), np.array([[1.0, 1.0]]), 1e-3, 0.0)
    with pytest.raises(ProofError):
        exported("f", np.ones((2, 1)), np.ones((1, 2)), 1e-3, 0.0)


def test_distance_is_by_the_spread_of_the_outputs():
    theirs = np.random.default_rng(0).normal(5, 2, (400, 3))
    assert distance(theirs, theirs) == 0
    assert distance(np.full_like(theirs, 1) * theirs.mean(0), theirs) == pytest.approx(1)
    other = np.random.default_rng(1).normal(5, 2, (400, 3))
    assert distance(other, theirs) == pytest.approx(2**0.5, rel=0.1)
    assert distance(theirs[:, :2], theirs) == np.inf
