"""FLOPs against numbers computed by hand."""

import keras
import numpy as np
import pytest

from secateur.evaluation.flops import UnknownFlops, flops, total_flops

layers = keras.layers


def model_of(shape, *stack):
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def test_simple_net():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="a"),
            layers.Dense(32, activation="relu", name="b"),
            layers.Dense(10, activation="softmax", name="c"),
        ]
    )
    assert flops(model) == {"flatten": 0, "a": 2 * 784 * 64, "b": 2 * 64 * 32, "c": 2 * 32 * 10}
    assert total_flops(model) == 105_088


def test_lenet_5():
    model = model_of(
        (28, 28, 1),
        layers.Conv2D(6, 5, padding="same", name="c1"),
        layers.AveragePooling2D(2, name="s2"),
        layers.Conv2D(16, 5, name="c3"),
        layers.AveragePooling2D(2, name="s4"),
        layers.Flatten(name="flatten"),
        layers.Dense(120, name="c5"),
        layers.Dense(84, name="f6"),
        layers.Dense(10, name="output"),
    )
    multiply_adds = {
        "c1": 28 * 28 * 5 * 5 * 1 * 6,
        "s2": 0,
        "c3": 10 * 10 * 5 * 5 * 6 * 16,
        "s4": 0,
        "flatten": 0,
        "c5": 400 * 120,
        "f6": 120 * 84,
        "output": 84 * 10,
    }
    assert flops(model) == {name: 2 * count for name, count in multiply_adds.items()}


def test_resnet_50_has_its_published_3_86_billion_multiply_adds():
    model = keras.applications.ResNet50(weights=None)
    assert total_flops(model) == 2 * 3_857_973_248


@pytest.mark.parametrize(
    ("shape", "layer", "multiply_adds"),
    [
        ((5, 3), layers.Dense(4), 5 * 3 * 4),
        ((6, 4), layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 5)), 6 * 4 * 2 * 5),
        ((6, 4), layers.EinsumDense("...x,xy->...y", output_shape=7), 6 * 4 * 7),
        ((9, 3), layers.Conv1D(4, 3, strides=2), 4 * 3 * 3 * 4),
        ((9, 3), layers.Conv1D(4, 3, dilation_rate=2), 5 * 3 * 3 * 4),
        ((9, 3), layers.Conv1D(4, 3, padding="causal"), 9 * 3 * 3 * 4),
        ((8, 8, 6), layers.Conv2D(4, 3, groups=2, padding="same"), 64 * 9 * 3 * 4),
        ((3, 8, 8), layers.Conv2D(4, 3, data_format="channels_first"), 36 * 9 * 3 * 4),
        ((4, 4, 4, 2), layers.Conv3D(3, 2), 27 * 8 * 2 * 3),
        ((8, 8, 3), layers.DepthwiseConv2D(3, depth_multiplier=2), 36 * 9 * 6),
        ((8, 3), layers.DepthwiseConv1D(3, strides=2, padding="same"), 4 * 3 * 3),
        ((8, 8, 3), layers.SeparableConv2D(5, 3, strides=2, padding="same"), 16 * (27 + 15)),
        ((4, 4, 3), layers.Conv2DTranspose(5, 2, strides=2), 16 * 4 * 3 * 5),
        ((7,), layers.Embedding(50, 4), 0),
        ((7, 3), layers.SimpleRNN(4), 7 * (3 * 4 + 4 * 4)),
        ((7, 3), layers.LSTM(4), 7 * 4 * (3 * 4 + 4 * 4)),
        ((7, 3), layers.GRU(4, return_sequences=True), 7 * 3 * (3 * 4 + 4 * 4)),
        ((7, 3), layers.RNN([layers.LSTMCell(4), layers.GRUCell(5)]), 7 * (4 * 28 + 3 * 45)),
        ((7, 3), layers.Bidirectional(layers.LSTM(4)), 2 * 7 * 4 * (3 * 4 + 4 * 4)),
        ((5, 8, 8, 3), layers.TimeDistributed(layers.Conv2D(4, 3)), 5 * 36 * 9 * 3 * 4),
        ((5, 8, 8, 3), layers.ConvLSTM2D(4, 3), 5 * 36 * 9 * 16 * (3 + 4)),
        ((8, 8, 3), layers.SpectralNormalization(layers.Conv2D(4, 3)), 36 * 9 * 3 * 4),
        ((8, 8, 3), layers.BatchNormalization(), 0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_one_layer(shape, layer, multiply_adds):
    assert total_flops(model_of(shape, layer)) == 2 * multiply_adds


def test_attention_of_heads():
    query, value = keras.Input((5, 6)), keras.Input((7, 8))
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=4)
    model = keras.Model([query, value], layer(query, value))
    projections = 5 * 6 * 2 * 3 + 7 * 8 * 2 * 3 + 7 * 8 * 2 * 4 + 5 * 2 * 4 * 6
    assert total_flops(model) == 2 * (projections + 5 * 7 * 2 * 3 + 5 * 7 * 2 * 4)


def test_attention_of_grouped_queries():
    x = keras.Input((5, 6))
    layer = layers.GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    model = keras.Model(x, layer(x, value=x))
    projections = 5 * 6 * 3 * (4 + 2 + 2 + 4)
    assert total_flops(model) == 2 * (projections + 2 * 5 * 5 * 4 * 3)


def test_attention_without_weights_and_raw_operations():
    query, value = keras.Input((5, 6)), keras.Input((7, 6))
    x = layers.Attention()([query, value])
    scores = keras.ops.matmul(x, keras.ops.transpose(value, (0, 2, 1)))
    y = keras.ops.einsum("btv,bvd->btd", scores, value)
    z = layers.Dot(axes=(1, 1))([y, query])
    model = keras.Model([query, value], z)
    multiply_adds = 5 * 7 * (6 + 6) + 5 * 7 * 6 + 5 * 7 * 6 + 6 * 6 * 5
    assert total_flops(model) == 2 * multiply_adds


def test_shared_layers_count_once_a_call_and_nested_models_by_name():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="d")], name="inner")
    x = keras.Input((4,))
    model = keras.Model(x, inner(inner(x)))
    assert flops(model) == {"inner/d": 2 * 2 * 16}


def test_a_nested_model_sees_the_size_it_is_called_with():
    anything = keras.Input((None, None, 3))
    inner = keras.Model(anything, layers.Conv2D(4, 3, name="c")(anything), name="inner")
    x = keras.Input((8, 8, 3))
    assert flops(keras.Model(x, inner(x))) == {"inner/c": 2 * 36 * 9 * 3 * 4}
    frames = keras.Input((5, 8, 8, 3))
    several = keras.Model(frames, layers.TimeDistributed(inner)(frames))
    assert total_flops(several) == 5 * 2 * 36 * 9 * 3 * 4


def test_windows_folded_into_the_batch_are_all_counted():
    x = keras.Input((8, 8, 4))
    windows = keras.ops.reshape(x, (-1, 16, 4))
    y = keras.ops.reshape(layers.Dense(3)(windows), (-1, 8, 8, 3))
    assert total_flops(keras.Model(x, y)) == 2 * 64 * 4 * 3


def test_a_fixed_batch_is_divided_out():
    x = keras.Input(batch_shape=(8, 3))
    assert total_flops(keras.Model(x, layers.Dense(4)(x))) == 2 * 3 * 4


class Own(keras.layers.Layer):
    """A layer that the graph does not show the inside of."""

    def build(self, shape):
        self.attention = layers.MultiHeadAttention(2, 3)
        self.attention.build(shape, shape)
        self.conv = layers.Conv1D(4, 3)
        self.conv.build(shape)

    def call(self, x):
        return self.conv(self.attention(x, x))


def test_an_own_layer_is_traced():
    x = keras.Input((7, 5))
    own = total_flops(keras.Model(x, Own()(x)))
    known = total_flops(keras.Model(x, layers.Conv1D(4, 3)(layers.MultiHeadAttention(2, 3)(x, x))))
    assert own == known > 0


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.conv = layers.Conv2D(4, 3)
        self.up = layers.Conv2DTranspose(2, 2, strides=2)
        self.head = layers.Dense(5)

    def call(self, x):
        return self.head(keras.ops.mean(self.up(self.conv(x)), axis=(1, 2)))


def test_a_subclassed_model_is_traced_once_its_input_is_known():
    model = Subclassed()
    with pytest.raises(UnknownFlops, match="call it on data once"):
        flops(model)
    model(np.zeros((2, 8, 8, 3), "float32"))
    assert flops(model) == {"mine": 2 * (36 * 9 * 3 * 4 + 36 * 4 * 4 * 2 + 2 * 5)}


def test_open_sizes_are_refused_with_the_layer_and_what_to_do():
    model = model_of((None, 5), layers.LSTM(4, name="reader"))
    with pytest.raises(UnknownFlops, match=r"'reader'.*fixed input shape"):
        total_flops(model)


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="not built"):
        flops(keras.Sequential([layers.Dense(3)]))
