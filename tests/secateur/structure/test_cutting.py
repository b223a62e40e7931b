"""What a cut model keeps: names, settings, the optimizer's state, and its life afterwards."""

import keras
import numpy as np
import pytest

from secateur import structure
from tests.secateur.structure.reference import batch, outputs, random_removal, randomize

L = keras.layers


OTHERS = ("adamw", "rmsprop", "lion", "nadam")


def small_model():
    inputs = keras.Input((6,), name="features")
    x = L.Dense(8, name="a", kernel_regularizer="l2")(inputs)
    x = L.BatchNormalization(name="bn")(x)
    x = L.Dense(4, name="b", trainable=False)(L.ReLU(name="relu")(x))
    return randomize(keras.Model(inputs, L.Dense(3, name="logits")(x), name="mine"))


def cut_half(model):
    graph = structure.analyse(model)
    removed = random_removal(graph, 0.5, 0)
    return structure.remove(model, structure.Removal(graph, removed)), graph, removed


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 6)).astype("float32"), rng.integers(0, 3, 32)


def test_names_settings_of_layers_and_trainability_stay():
    model = small_model()
    small, _, _ = cut_half(model)
    assert small.name == "mine"
    assert [layer.name for layer in small.layers] == [layer.name for layer in model.layers]
    assert small.get_layer("a").units == 4
    assert isinstance(small.get_layer("a").kernel_regularizer, keras.regularizers.L2)
    assert not small.get_layer("b").trainable
    assert small.inputs[0].name == "features"
    assert not small.compiled


@pytest.mark.parametrize(
    "optimizer",
    ["sgd", "adam", *(pytest.param(x, marks=pytest.mark.slow) for x in OTHERS)],
)
def test_compile_settings_stay_and_the_state_of_the_optimizer_follows(optimizer):
    model = small_model()
    rate = 0.03125
    kind = type(keras.optimizers.get(optimizer))
    settings = {"momentum": 0.9} if optimizer == "sgd" else {}
    model.compile(
        kind(rate, **settings),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")],
        jit_compile=False,
    )
    x, y = data()
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    small, graph, removed = cut_half(model)
    assert small.loss is model.loss
    assert float(small.optimizer.learning_rate) == rate
    assert int(small.optimizer.iterations) == int(model.optimizer.iterations) == 8
    kept = ~removed[graph.groups[0].units]
    old = {v.path.split("/")[-1]: v for v in model.optimizer.variables}
    new = {v.path.split("/")[-1]: v for v in small.optimizer.variables}
    slots = [name for name in old if name.startswith("a_kernel_")]
    assert slots
    for slot in slots:
        np.testing.assert_array_equal(np.array(new[slot]), np.array(old[slot])[:, kept])
        assert np.abs(np.array(new[slot])).max() > 0
    assert set(small.evaluate(x, y, verbose=0, return_dict=True)) == {"loss", "accuracy", "top"}
    small.fit(x, y, epochs=1, verbose=0)


def test_a_state_that_cannot_be_cut_starts_anew_and_is_said(caplog):
    model = small_model()
    model.compile(keras.optimizers.Adafactor(0.5), "mse", jit_compile=False)
    x, _ = data()
    model.fit(x, np.ones((32, 3)), verbose=0)
    small, _, _ = cut_half(model)
    assert "starts anew" in caplog.text
    assert int(small.optimizer.iterations) == 1
    assert float(small.optimizer.learning_rate) == 0.5
    small.fit(x, np.ones((32, 3)), verbose=0)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    small, _, _ = cut_half(small_model())
    small.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = batch(small)
    np.testing.assert_array_equal(outputs(small, x)[0], outputs(loaded, x)[0])


def test_a_cut_model_can_be_cut_again():
    model = small_model()
    small, _, _ = cut_half(model)
    smaller, _, _ = cut_half(small)
    assert smaller.get_layer("a").units == 2


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def test_a_model_class_with_its_own_training_step_stays():
    inputs = keras.Input((6,))
    model = OwnStep(inputs, L.Dense(2)(L.Dense(8)(inputs)))
    small, _, _ = cut_half(model)
    assert type(small) is OwnStep


def test_a_removal_for_another_model_is_refused():
    model, other = small_model(), small_model()
    graph = structure.analyse(model)
    removal = structure.Removal(graph, random_removal(graph, 0.5, 0))
    with pytest.raises(ValueError, match="another model"):
        structure.remove(other, removal)


def test_half_precision_weights_keep_their_type():
    inputs = keras.Input((6,))
    x = L.Dense(8, dtype="bfloat16")(inputs)
    model = keras.Model(inputs, L.Dense(2, dtype="float16")(x))
    small, _, _ = cut_half(model)
    assert [w.dtype for w in small.weights] == [w.dtype for w in model.weights]


def test_nothing_removed_is_the_same_model():
    model = small_model()
    graph = structure.analyse(model)
    same = structure.remove(model, structure.Removal(graph, np.zeros(graph.units, bool)))
    x = batch(model)
    np.testing.assert_array_equal(outputs(same, x)[0], outputs(model, x)[0])
