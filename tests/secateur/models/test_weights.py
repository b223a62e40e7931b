"""Names of weights, which of them can be pruned, and the digest of a model's content."""

from __future__ import annotations

import datetime
import time

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.models.files import load_model, save_model
from secateur.models.weights import content_digest, flat_layers, prunable_weights, weight_paths

layers = keras.layers


def _paths(model):
    return [weight.path for weight in prunable_weights(model)]


def _sequential(*inner, inputs=(8, 8, 3)):
    return keras.Sequential([keras.Input(inputs, name="input"), *inner], name="net")


@pytest.mark.parametrize(
    ("layer", "inputs", "prunable"),
    [
        (lambda: layers.Dense(4, name="x"), (3,), ["x/kernel"]),
        (lambda: layers.Conv2D(4, 3, name="x"), (8, 8, 3), ["x/kernel"]),
        (lambda: layers.Conv2DTranspose(4, 3, name="x"), (8, 8, 3), ["x/kernel"]),
        (lambda: layers.DepthwiseConv2D(3, name="x"), (8, 8, 3), ["x/kernel"]),
        (
            lambda: layers.SeparableConv2D(4, 3, name="x"),
            (8, 8, 3),
            ["x/depthwise_kernel", "x/pointwise_kernel"],
        ),
        (lambda: layers.Embedding(9, 4, name="x"), (5,), ["x/embeddings"]),
        (
            lambda: layers.GRU(4, name="x"),
            (5, 3),
            ["x/gru_cell/kernel", "x/gru_cell/recurrent_kernel"],  # its bias has two axes
        ),
        (
            lambda: layers.Bidirectional(layers.LSTM(4, name="x"), name="y"),
            (5, 3),
            [
                f"y/{way}_x/lstm_cell/{kernel}"
                for way in ("forward", "backward")
                for kernel in ("kernel", "recurrent_kernel")
            ],
        ),
        (lambda: layers.BatchNormalization(), (8, 8, 3), []),
        (lambda: layers.LayerNormalization(axis=[1, 2]), (4, 6), []),  # two axes, no kernel
        (lambda: layers.PReLU(), (4, 6), []),
        (lambda: layers.Dropout(0.5), (4,), []),  # integer state
    ],
)
def test_kernels_and_embeddings_alone_can_be_pruned(layer, inputs, prunable):
    assert _paths(_sequential(layer(), inputs=inputs)) == prunable


def test_the_projections_of_attention_can_be_pruned_and_their_biases_not():
    inputs = keras.Input((5, 6))
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    model = keras.Model(inputs, attention(inputs, inputs))
    shapes = {w.path: tuple(w.variable.shape) for w in prunable_weights(model)}
    assert shapes == {  # the biases of query, key and value are (heads, size)
        "attention/query/kernel": (6, 2, 3),
        "attention/key/kernel": (6, 2, 3),
        "attention/value/kernel": (6, 2, 3),
        "attention/attention_output/kernel": (2, 3, 6),
    }


def test_weights_of_one_layer_with_one_name_get_numbers():
    class Own(layers.Layer):
        def build(self, shape):
            self.parts = [self.add_weight(shape=(shape[-1], 2), name="part") for _ in "ab"]

        def call(self, x):
            return x @ self.parts[0] + x @ self.parts[1]

    assert _paths(_sequential(Own(name="own"), inputs=(3,))) == ["own/part", "own/part#2"]


def test_a_kernel_of_an_unknown_layer_counts_and_its_bias_does_not():
    class Own(layers.Layer):
        def build(self, shape):
            self.mixing = self.add_weight(shape=(shape[-1], 2), name="mixing")
            self.table = self.add_weight(shape=(2, 2), dtype="int32", name="table")
            self.bias_of_two = self.add_weight(shape=(2, 2), name="bias_of_two")
            self.gain = self.add_weight(shape=(2,), name="gain")

        def call(self, x):
            return x @ self.mixing * self.gain

    assert _paths(_sequential(Own(name="own"), inputs=(3,))) == ["own/mixing"]


def test_a_weight_is_owned_by_its_innermost_layer():
    inner = _sequential(layers.Dense(4, name="inside"), inputs=(3,))
    model = keras.Sequential([keras.Input((3,)), inner, layers.Dense(2, name="outside")])
    weights = prunable_weights(model)
    assert [weight.layer.name for weight in weights] == ["inside", "outside"]
    assert all(w.layer_path == w.path.removesuffix("/kernel") for w in weights)


def test_a_shared_layer_appears_once():
    a, b = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(3, name="shared")
    model = keras.Model([a, b], layers.Add()([shared(a), shared(b)]))
    assert _paths(model) == ["shared/kernel"]
    assert sum(layer is shared for layer in flat_layers(model)) == 1


def test_a_model_used_twice_appears_once():
    tower = _sequential(layers.Dense(3, name="tower"), inputs=(4,))
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Add()([tower(a), tower(b)]))
    assert len(_paths(model)) == 1


def test_equal_paths_get_numbers_in_the_models_order():
    class Towers(keras.Model):
        """Layers that stand beside each other under one name."""

        def __init__(self):
            super().__init__()
            self.towers = [layers.Dense(size, name="dense") for size in (2, 3, 5)]

        def call(self, x):
            return [tower(x) for tower in self.towers]

    model = Towers()
    model(np.zeros((1, 4)))
    pairs = weight_paths(model)
    assert [path for path, _ in pairs] == [
        "dense/kernel",
        "dense/bias",
        "dense#2/kernel",
        "dense#2/bias",
        "dense#3/kernel",
        "dense#3/bias",
    ]
    assert [v is w for (_, v), w in zip(pairs, model.weights, strict=True)] == [True] * 6
    assert [tuple(w.variable.shape) for w in prunable_weights(model)] == [(4, 2), (4, 3), (4, 5)]


def _tower(name, size):
    return keras.Sequential([keras.Input((4,)), layers.Dense(size, name="dense")], name=name)


def _nested():
    inputs = keras.Input((4,))
    return keras.Model(inputs, [_tower("a", 2)(inputs), _tower("b", 3)(inputs)])


def _built_late():
    model = keras.Sequential([layers.Dense(3, name="dense")], name="late")
    model.build((None, 4))
    return model


def _wrapped():
    inputs = keras.Input((5, 3))
    both = layers.Bidirectional(layers.LSTM(4, name="lstm"), name="both")
    timed = layers.TimeDistributed(layers.Dense(2, name="dense"), name="timed")
    return keras.Model(inputs, timed(both(layers.Dense(3, name="dense")(inputs[..., :2]))[:, None]))


@pytest.mark.parametrize(
    ("make", "layer_paths"),
    [
        (lambda: _tower("net", 2), ["dense"]),
        (_built_late, ["dense"]),
        (_nested, ["a/dense", "b/dense"]),
        (
            _wrapped,
            [
                "dense",
                *(f"both/{way}_lstm/lstm_cell" for way in ("forward", "backward") for _ in "kr"),
                "timed/dense",
            ],
        ),
    ],
)
def test_names_and_digest_stay_after_saving_and_loading(make, layer_paths, tmp_path):
    model = make()
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    for one in (model, again):
        assert [weight.layer_path for weight in prunable_weights(one)] == layer_paths
    for (path, value), (path_again, value_again) in zip(
        weight_paths(model), weight_paths(again), strict=True
    ):
        assert path == path_again
        np.testing.assert_array_equal(value.numpy(), value_again.numpy())
    assert content_digest(model) == content_digest(again)


@keras.saving.register_keras_serializable("weights")
class Block(layers.Layer):
    """Makes layers that it does not name, so that Keras numbers them anew at each reading."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(3), layers.Dense(2), keras.Sequential([layers.Dense(4)])]
        self.last = layers.Dense(2, name="last_7")

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return self.last(x)


@keras.saving.register_keras_serializable("weights")
class Net(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.blocks = [Block(), Block()]

    def call(self, x):
        return self.blocks[1](self.blocks[0](x))

    def get_config(self):
        return {}


def _of_blocks():
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(1)(Block(name="block_1")(inputs)))


def _net():
    model = Net()
    model(np.zeros((1, 4)))
    return model


class Steps(keras.Model):
    """Of the user's, but written into a file layer by layer, names and all."""


def _steps():
    inputs = keras.Input((4,))
    return Steps(inputs, layers.Dense(2)(layers.Dense(3)(inputs)))


INSIDE = ["dense", "dense#2", "sequential/dense", "last_7"]


@pytest.mark.parametrize(
    ("make", "inside"),
    [
        (_of_blocks, [f"block_1/{name}" for name in INSIDE]),
        (_net, [f"{block}/{name}" for block in ("block", "block#2") for name in INSIDE]),
        (_steps, []),
    ],
)
def test_names_inside_a_users_classes_stay_after_loading(make, inside, tmp_path):
    model = make()
    save_model(model, tmp_path / "model.keras")
    with keras.saving.custom_object_scope({"Steps": Steps}):
        again = [load_model(tmp_path / "model.keras") for _ in range(2)][1]
    names = [weight.layer_path for weight in prunable_weights(model)]
    assert names[: len(inside)] == inside
    assert [weight.layer_path for weight in prunable_weights(again)] == names
    for (path, value), (path_again, value_again) in zip(
        weight_paths(model), weight_paths(again), strict=True
    ):
        assert path == path_again
        np.testing.assert_array_equal(value.numpy(), value_again.numpy())
    assert content_digest(model) == content_digest(again)


def test_masks_fit_a_model_that_was_saved_and_loaded(tmp_path):
    from secateur.sparsity.config import TargetConfig
    from secateur.sparsity.hold import apply_masks
    from secateur.sparsity.layout import describe
    from secateur.sparsity.select import select

    model = _nested()
    scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
    masks = select(scores, TargetConfig(ratio=0.5), layers=describe(model))
    save_model(model, tmp_path / "model.keras")
    apply_masks(model, masks)
    again = load_model(tmp_path / "model.keras")
    apply_masks(again, masks)
    assert content_digest(again) == content_digest(model)


def _mixed(width=4, seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3), name="input")
    x = layers.Conv2D(width, 3, padding="same", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Add(name="add")([x, layers.Conv2D(width, 1, name="skip")(inputs)])
    x = layers.Dropout(0.5, name="dropout")(layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(inputs, layers.Dense(2, name="logits")(x), name="mixed")


def test_the_digest_stays_after_saving_and_loading_at_another_time(tmp_path, monkeypatch):
    model = _mixed()
    first, second = tmp_path / "first.keras", tmp_path / "second.keras"
    save_model(model, first)
    later = datetime.datetime(2031, 1, 1).timestamp()
    monkeypatch.setattr(time, "time", lambda: later)
    import keras.src.saving.saving_lib as saving_lib

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 1, 1, tzinfo=tz)

    monkeypatch.setattr(saving_lib.datetime, "datetime", Later)
    save_model(load_model(first), second)
    monkeypatch.undo()
    assert first.read_bytes() != second.read_bytes()
    assert content_digest(model) == content_digest(load_model(first))
    assert content_digest(load_model(first)) == content_digest(load_model(second))


def test_the_digest_leaves_out_how_a_model_is_trained():
    model = _mixed()
    before = content_digest(model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert content_digest(model) == before
    model.optimizer.build(model.trainable_variables)
    model(np.zeros((1, 8, 8, 3)), training=False)
    assert content_digest(model) == before


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_change_of_one_weight_changes_the_digest(data):
    model = _digest_model
    before = content_digest(model)
    variable = data.draw(st.sampled_from(model.weights), label="weight")
    value = variable.numpy()
    position = data.draw(st.integers(0, value.size - 1), label="position")
    changed = value.copy()
    changed.flat[position] = np.nextafter(changed.flat[position], np.float32(np.inf))
    variable.assign(changed)
    assert content_digest(model) != before
    variable.assign(value)
    assert content_digest(model) == before


_digest_model = _mixed()


def _with(**changes):
    options = {"units": 3, "activation": "relu", "name": "dense", **changes}
    keras.utils.set_random_seed(0)
    return _sequential(layers.Dense(**options), inputs=(3,))


@pytest.mark.parametrize("change", [{"activation": "tanh"}, {"name": "other"}, {"use_bias": False}])
def test_the_configuration_counts(change):
    assert content_digest(_with()) == content_digest(_with())
    assert content_digest(_with(**change)) != content_digest(_with())


def test_a_zero_of_the_other_sign_is_other_content():
    model = _with()
    kernel = np.zeros((3, 3), np.float32)
    model.layers[0].kernel.assign(kernel)
    before = content_digest(model)
    model.layers[0].kernel.assign(-kernel)
    assert content_digest(model) != before


class Subclassed(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.dense = layers.Dense(width)

    def call(self, inputs):
        return self.dense(inputs)


def test_a_subclassed_model_has_a_digest():
    digests = []
    for seed in (0, 0, 1):
        keras.utils.clear_session()  # the layer inside gets its name from a counter
        keras.utils.set_random_seed(seed)
        model = Subclassed(3)
        model(np.zeros((1, 4)))
        digests.append(content_digest(model))
    assert digests[0] == digests[1] != digests[2]


def test_weights_of_half_precision_have_a_digest():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype="bfloat16")])
    assert len(content_digest(model)) == 64
