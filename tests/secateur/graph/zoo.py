"""Models of every kind of layer that Keras 3 has, with state that a copy can lose."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers


def _filled(model: keras.Model) -> keras.Model:
    """Every weight away from where it begins, so that a copy that keeps none is noticed."""
    random = np.random.default_rng(3)
    for variable in model.weights:
        if "float" in keras.backend.standardize_dtype(variable.dtype):
            value = keras.ops.convert_to_numpy(variable.value)
            noise = random.uniform(0.05, 0.3, value.shape)
            variable.assign(value + noise.astype(value.dtype))
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model


def adapted_numbers() -> keras.Model:
    x = np.random.default_rng(0).normal(50, 10, (60, 4)).astype("float32")
    norm, bins = layers.Normalization(), layers.Discretization(num_bins=4, output_mode="one_hot")
    norm.adapt(x)
    bins.adapt(x)
    i = keras.Input((4,))
    z = layers.Concatenate()([norm(i), layers.Flatten()(bins(i))])
    return keras.Model(i, layers.Dense(2)(z))


def adapted_nested() -> keras.Model:
    inner = adapted_numbers()
    i = keras.Input((4,))
    return keras.Model(i, layers.Dense(3)(inner(layers.Rescaling(2.0)(i))))


def adapted_text() -> keras.Model:
    text = layers.TextVectorization(max_tokens=12, output_sequence_length=5)
    text.adapt(["a small cat", "a large dog sat", "the cat sat"])
    i = keras.Input((1,), dtype="string")
    z = layers.Embedding(12, 4, mask_zero=True)(text(i))
    return keras.Model(i, layers.Dense(2)(layers.LSTM(3)(z)))


def adapted_idf() -> keras.Model:
    text = layers.TextVectorization(max_tokens=12, output_mode="tf_idf")
    text.adapt(["a small cat", "a large dog sat", "the cat sat"])
    i = keras.Input((1,), dtype="string")
    return keras.Model(i, layers.Dense(2)(text(i)))


def tables() -> keras.Model:
    words, numbers = layers.StringLookup(), layers.IntegerLookup(output_mode="multi_hot")
    words.adapt(np.array(["x", "y", "z\nw"]))
    numbers.adapt(np.array([3, 5, 8]))
    a, b = keras.Input((2,), dtype="string", name="a"), keras.Input((2,), dtype="int64", name="b")
    hashed = layers.Hashing(5)(a)
    coded = layers.CategoryEncoding(5, output_mode="multi_hot")(hashed)
    z = layers.Flatten()(layers.Embedding(6, 3)(words(a)))
    return keras.Model(
        {"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([z, numbers(b), coded]))
    )


def images() -> keras.Model:
    i = keras.Input((12, 12, 3))
    z = layers.RandomFlip(seed=1)(i)
    z = layers.RandomContrast(0.2)(layers.CenterCrop(10, 10)(z))
    z = layers.Conv2D(6, 3, padding="same")(z)
    z = layers.PReLU(shared_axes=(1, 2))(layers.BatchNormalization()(z))
    z = layers.DepthwiseConv2D(3)(z)
    z = layers.SeparableConv2D(8, 3, activation="relu")(z)
    z = layers.GroupNormalization(2)(layers.Conv2D(8, 1, groups=2)(z))
    z = layers.SpectralNormalization(layers.Conv2DTranspose(4, 2))(z)
    z = layers.SpatialDropout2D(0.3)(layers.MaxPooling2D()(z))
    return keras.Model(i, layers.Dense(3, activation="softmax")(layers.Flatten()(z)))


def recurrent() -> keras.Model:
    i = keras.Input((6, 3))
    z = layers.Masking()(i)
    z = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(z)
    z = layers.TimeDistributed(layers.Dense(3))(z)
    z = layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(3)], return_sequences=True)(z)
    return keras.Model(i, layers.GRU(2, recurrent_dropout=0.1)(z))


def convolved_sequences() -> keras.Model:
    i = keras.Input((5, 6, 6, 2))
    z = layers.ConvLSTM2D(3, 3)(i)
    j = keras.Input((4, 6, 6, 2))
    w = layers.GlobalMaxPooling3D()(layers.Conv3D(3, 2)(j))
    k = keras.Input((9, 2))
    v = layers.GlobalAveragePooling1D()(layers.Conv1DTranspose(2, 3)(layers.Conv1D(4, 3)(k)))
    z = layers.Concatenate()([layers.Flatten()(z), w, v])
    return keras.Model([i, j, k], [layers.Dense(2, name="p")(z), layers.Dense(1, name="q")(z)])


def attention() -> keras.Model:
    i = keras.Input((7,), dtype="int32")
    z = layers.Embedding(11, 8, mask_zero=True)(i)
    z = layers.Add()([z, layers.MultiHeadAttention(2, 4, dropout=0.1)(z, z)])
    z = layers.LayerNormalization()(z)
    z = layers.GroupQueryAttention(4, 4, 2)(z, z)
    z = layers.RMSNormalization()(layers.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d")(z))
    return keras.Model(i, layers.Dense(2)(layers.AdditiveAttention()([z, z])))


def shared_and_nested() -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.2)]
    )
    twice = layers.Dense(4)
    a, b = keras.Input((4,)), keras.Input((4,))
    z = keras.ops.concatenate([inner(twice(a)), inner(twice(b))], axis=-1)
    outer = keras.Model([a, b], {"left": layers.Dense(2, name="left")(z), "right": z})
    outer.get_layer(inner.name).trainable = False
    return outer


class Towers(keras.Model):
    """Makes its layers before `super().__init__`, as backbones of libraries do."""

    def __init__(self, units: int = 4, **options):
        self.second = layers.Dense(units)
        self.first = layers.Dense(units)
        i = keras.Input((units,))
        super().__init__(i, self.second(keras.ops.tanh(self.first(i))), **options)

    def get_config(self):
        return {"units": 4}


class Subclassed(keras.Model):
    def __init__(self, units: int = 5, **options):
        super().__init__(**options)
        self.units = units
        self.blocks = [layers.Dense(units), layers.Dense(units)]
        self.head = layers.Dense(2)
        self.shift = 0.0

    def call(self, x, training=False):
        for block in self.blocks:
            x = keras.ops.relu(block(x))
        return self.head(x) + self.shift

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Centred(keras.layers.Layer):
    """Learns what it subtracts by `adapt`, and keeps it in a plain attribute."""

    def __init__(self, **options):
        super().__init__(**options)
        self.centre = None

    def adapt(self, x):
        self.centre = x.mean(0)

    def call(self, x):
        return x - self.centre


def towers() -> keras.Model:
    return Towers()


def towers_inside() -> keras.Model:
    i = keras.Input((4,))
    return keras.Model(i, layers.Dense(2)(Towers(name="towers")(i)))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((2, 3), "float32"))
    model.shift = 1.5
    return model


def own_layer() -> keras.Model:
    centred = Centred()
    centred.adapt(np.full((3, 4), 7.0, "float32"))
    i = keras.Input((4,))
    z = layers.Dense(3, activation=lambda x: x * 1.25)(centred(i))
    return keras.Model(i, layers.Lambda(lambda x: x + 1)(z))


def lora() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.Dense(3)])
    model.layers[0].enable_lora(2)
    return model


def mixed() -> keras.Model:
    policy = "mixed_bfloat16"
    i = keras.Input((5,))
    z = layers.Dense(4, dtype=policy)(i)
    return keras.Model(
        i, layers.Dense(2, dtype="float32")(layers.BatchNormalization(dtype=policy)(z))
    )


MODELS: dict[str, Callable[[], keras.Model]] = {
    make.__name__: make
    for make in (
        *(adapted_numbers, adapted_nested, adapted_text, adapted_idf, tables, images, recurrent),
        *(convolved_sequences, attention, shared_and_nested, towers, towers_inside, subclassed),
        *(own_layer, lora, mixed),
    )
}


def make(name: str) -> keras.Model:
    """A model of the zoo, all its weights away from where they began."""
    keras.utils.set_random_seed(len(name))
    return _filled(MODELS[name]())


def quantized(mode: str = "int8") -> keras.Model:
    model = _filled(keras.Sequential([keras.Input((8,)), layers.Dense(6), layers.Dense(3)]))
    model.quantize(mode)
    return model
