"""Each family of layers: what is cut, and that the cut is the original without the channels."""

import keras
import numpy as np
import pytest

from secateur import structure
from tests.secateur.structure.reference import (
    check_cut,
    random_removal,
    randomize,
)

L = keras.layers
ops = keras.ops


def chain(shape, *stack, dtype="float32"):
    x = inputs = keras.Input(shape, dtype=dtype)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def squeeze_and_excite(x, filters):
    y = L.GlobalAveragePooling2D(keepdims=True)(x)
    y = L.Conv2D(4, 1, activation="relu")(y)
    return L.Multiply()([x, L.Conv2D(filters, 1, activation="sigmoid")(y)])


def image(*stack, shape=(8, 8, 3)):
    return lambda: chain(shape, L.Conv2D(8, 3), *[s() for s in stack], L.Flatten(), L.Dense(3))


def steps(*stack):
    return lambda: chain((6, 4), L.Dense(8), *[s() for s in stack], L.Flatten(), L.Dense(3))


def residual():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    y = L.Conv2D(6, 3, padding="same")(x)
    y = L.BatchNormalization()(y)
    y = L.Conv2D(8, 3, padding="same")(L.ReLU()(y))
    x = squeeze_and_excite(x + L.BatchNormalization()(y), 8)
    return keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling2D()(x)))


def concat():
    inputs = keras.Input((8, 8, 3))
    a, b = L.Conv2D(5, 3)(inputs), L.Conv2D(7, 3)(inputs)
    x = L.Concatenate()([a, L.MaxPooling2D(1)(b), L.Cropping2D(1)(inputs), a])
    x = L.BatchNormalization()(x)
    parts = ops.split(x, [4, 12], axis=-1)
    x = ops.concatenate([L.Conv2D(4, 1)(p) for p in parts] + [x[..., 2:14]], axis=-1)
    return keras.Model(inputs, L.Conv2D(2, 1)(x))


def flattened():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(6, 3, strides=2)(inputs)
    x = L.Dense(3 * 3 * 5, activation="relu")(L.Flatten()(x))
    x = L.Conv2DTranspose(4, 2, strides=2)(L.Reshape((3, 3, 5))(x))
    x = L.Permute((3, 1, 2))(x)
    x = L.BatchNormalization(axis=1)(x)
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(ops.transpose(x, (0, 2, 3, 1)))))


def of_format(data_format):
    first = data_format == "channels_first"
    this = {"data_format": data_format}
    inputs = keras.Input((3, 8, 8) if first else (8, 8, 3))
    x = L.BatchNormalization(axis=1 if first else 3)(L.Conv2D(6, 3, **this)(inputs))
    x = L.PReLU(shared_axes=[2, 3] if first else [1, 2])(x)
    x = L.MaxPooling2D(2, **this)(L.DepthwiseConv2D(2, **this)(x))
    x = L.Add()([x, L.Conv2D(6, 1, **this)(x)])
    x = L.ZeroPadding2D(1, **this)(L.Conv2DTranspose(5, 2, **this)(x))
    y = L.GlobalAveragePooling2D(**this)(x)
    x = L.Concatenate()([y, L.Flatten(**this)(L.SeparableConv2D(4, 2, **this)(x))])
    return keras.Model(inputs, L.Dense(2)(x))


def experts():
    """A router that picks the best expert; experts of stacked kernels, and as layers."""
    inputs = keras.Input((6,))
    x = L.Dense(8)(inputs)
    chances = L.Dense(3, activation="softmax", name="router")(x)
    best, _ = ops.top_k(chances, 1)
    weights = chances * ops.cast(chances >= best, "float32")
    hidden = L.EinsumDense(
        "bd,deh->beh", (3, 7), bias_axes="eh", activation="relu", name="stacked_up"
    )(x)
    made = L.EinsumDense("beh,ehd->bed", (3, 8), bias_axes="ed", name="stacked_down")(hidden)
    x = x + ops.einsum("be,bed->bd", weights, made)
    parts = [
        L.Dense(8, name=f"down_{i}")(L.Dense(5, activation="relu", name=f"up_{i}")(x))
        * weights[:, i : i + 1]
        for i in range(3)
    ]
    return keras.Model(inputs, L.Dense(2)(x + L.Add()(parts)))


def hand_made_attention():
    inputs = keras.Input((5, 12))
    h = L.Dense(12)(inputs)
    q, k, v = (
        ops.transpose(ops.reshape(L.Dense(12)(h), (-1, 5, 4, 3)), (0, 2, 1, 3)) for _ in "qkv"
    )
    scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / np.sqrt(3.0), axis=-1)
    x = ops.transpose(ops.matmul(scores, v), (0, 2, 1, 3))
    return keras.Model(inputs, L.Dense(2)(ops.reshape(x, (-1, 5, 12))))


def attention():
    inputs, memory = keras.Input((5, 6)), keras.Input((7, 4))
    x, m = L.Dense(8)(inputs), L.Dense(6)(memory)
    y = L.MultiHeadAttention(4, 3, value_dim=5)(x, m)
    x = x + y
    y, scores = L.MultiHeadAttention(2, 4, use_bias=False, output_shape=6)(
        x, x, use_causal_mask=True, return_attention_scores=True
    )
    z = L.GroupQueryAttention(4, 6, 3)(y, y)
    z = L.GroupQueryAttention(4, 6, 1)(z, value=y, key=y)
    return keras.Model([inputs, memory], [L.Dense(2)(z), L.Dense(2)(ops.mean(scores, axis=1))])


def einsum():
    inputs = keras.Input((5, 6))
    x = L.EinsumDense("abc,cde->abde", output_shape=(None, 4, 3), bias_axes="de")(inputs)
    x = L.EinsumDense("abde,de->abde", output_shape=(None, 4, 3), bias_axes="e")(x)
    x = L.EinsumDense("...de,def->...f", output_shape=7, activation="relu")(x)
    return keras.Model(inputs, L.Dense(2)(x))


def recurrent():
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(7, 8)(inputs)
    x = L.Bidirectional(L.LSTM(5, return_sequences=True))(x)
    x = L.Bidirectional(L.GRU(5, return_sequences=True), merge_mode="sum")(x)
    x, state = L.GRU(6, return_sequences=True, return_state=True, reset_after=False)(x)
    x = L.SimpleRNN(6, return_sequences=True)(x, initial_state=state)
    x = L.RNN([L.LSTMCell(4), L.GRUCell(3)])(x)
    return keras.Model(inputs, L.Dense(2)(x))


def masked():
    """Keras hands the mask of the embedding on as one more input of layers and nested models."""
    inner = keras.Sequential([keras.Input((6, 6)), L.LSTM(5, return_sequences=True), L.Dense(4)])
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(7, 8, mask_zero=True)(inputs)
    x = L.SpatialDropout1D(0.1)(L.Bidirectional(L.LSTM(3, return_sequences=True))(x))
    x = L.add([L.MultiHeadAttention(2, 3)(x, x), L.GRU(6, return_sequences=True)(x)])
    x = L.TimeDistributed(L.Dense(6))(L.SimpleRNN(6, return_sequences=True)(x))
    return keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling1D()(inner(x))))


def encoder_decoder_states():
    source, target = keras.Input((6, 3)), keras.Input((5, 4))
    _, h, c = L.LSTM(6, return_state=True)(source)
    x = L.LSTM(6, return_sequences=True)(target, initial_state=[h, c])
    y, *states = L.Bidirectional(L.LSTM(3, return_state=True), merge_mode="concat")(x)
    return keras.Model([source, target], [L.Dense(2)(y), L.Dense(2)(ops.add(*states[:2]))])


def time_distributed():
    inner = keras.Sequential([keras.Input((6, 6, 5)), L.Conv2D(4, 3), L.GlobalMaxPooling2D()])
    inputs = keras.Input((3, 6, 6, 2))
    x = L.TimeDistributed(L.Conv2D(5, 1))(inputs)
    return keras.Model(inputs, L.Dense(2)(L.TimeDistributed(inner)(x)))


def nested_and_shared():
    inner_in = keras.Input((8,))
    inner = keras.Model(inner_in, L.Dense(8)(L.Dense(6, activation="relu")(inner_in)), name="inner")
    outer = keras.Sequential([keras.Input((8,)), inner, L.Dense(8, name="last")], name="outer")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = L.Dense(8)
    x, y = outer(shared(a)), inner(outer(shared(b)))
    model = keras.Model({"a": a, "b": b}, {"x": L.Dense(2)(x), "y": L.Dense(2)(ops.abs(x - y))})
    return model


def normalizations():
    inputs = keras.Input((6, 6, 3))
    x = L.GroupNormalization(4)(L.Conv2D(8, 3)(inputs))
    x = L.GroupNormalization(-1)(L.Conv2D(6, 1)(x))
    x = L.LayerNormalization()(L.Conv2D(4, 1)(x))
    x = L.RMSNormalization()(L.Conv2D(4, 1)(x))
    return keras.Model(inputs, L.Conv2D(2, 1)(L.Conv2D(5, 1)(x)))


MODELS = {
    "dense": steps(lambda: L.Dropout(0.5), lambda: L.Dense(6, activation="gelu")),
    "prelu": image(L.PReLU, lambda: L.PReLU(shared_axes=[1, 2])),
    "conv_1d": steps(lambda: L.Conv1D(6, 3, padding="causal"), lambda: L.ZeroPadding1D(1)),
    "conv_3d": lambda: chain((4, 4, 4, 2), L.Conv3D(6, 2), L.Conv3DTranspose(4, 2), L.Dense(2)),
    "conv_1d_transpose": steps(lambda: L.Conv1DTranspose(6, 2, strides=2)),
    "groups_whole": image(lambda: L.Conv2D(12, 3, groups=4), L.BatchNormalization),
    "groups_inside": image(lambda: L.Conv2D(12, 3, groups=2), L.ReLU),
    "depthwise": image(lambda: L.DepthwiseConv2D(3, depth_multiplier=2), L.ReLU),
    "depthwise_1d": steps(lambda: L.DepthwiseConv1D(3)),
    "separable": image(lambda: L.SeparableConv2D(6, 3, depth_multiplier=2)),
    "separable_1d": steps(lambda: L.SeparableConv1D(6, 3)),
    "up_and_down": image(
        lambda: L.UpSampling2D(2), lambda: L.AveragePooling2D(2), lambda: L.ZeroPadding2D(1)
    ),
    "noise": steps(lambda: L.GaussianNoise(0.1), lambda: L.SpatialDropout1D(0.1), L.LeakyReLU),
    "conv_lstm": lambda: chain(
        (3, 6, 6, 2), L.ConvLSTM2D(4, 3, return_sequences=True), L.ConvLSTM2D(3, 3), L.Dense(2)
    ),
    "residual": residual,
    "concat": concat,
    "flattened": flattened,
    "hand_made_attention": hand_made_attention,
    "attention": attention,
    "einsum": einsum,
    "experts": experts,
    "recurrent": recurrent,
    "masked": masked,
    "encoder_decoder_states": encoder_decoder_states,
    "time_distributed": time_distributed,
    "nested_and_shared": nested_and_shared,
    "normalizations": normalizations,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_the_cut_model_is_the_original_without_the_channels(name, share):
    model = randomize(MODELS[name]())
    graph = structure.analyse(model)
    assert graph.groups
    assert not graph.notices
    removed = random_removal(graph, share, seed=7)
    assert removed.any()
    small = check_cut(graph, removed)
    assert small.count_params() < model.count_params()


def test_channels_first_is_cut_as_channels_last_is():
    """TensorFlow convolves channels-first images on a GPU only, so the weights are compared."""
    last, first = randomize(of_format("channels_last")), of_format("channels_first")
    for a, b in zip(last.weights, first.weights, strict=True):
        b.assign(np.reshape(np.array(a), b.shape))  # the PReLU's axes are in another order
    graph, twin = structure.analyse(last), structure.analyse(first)
    assert [group.channels for group in graph.groups] == [6, 5, 4]
    removed = random_removal(graph, 0.5, seed=0)
    small = check_cut(graph, removed)
    other = structure.remove(first, structure.Removal(twin, removed))
    assert twin.flops(removed) == graph.flops(removed)
    for a, b in zip(small.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.reshape(np.array(a), b.shape), np.array(b))


def test_hidden_units_of_experts_are_cut_and_the_router_stays():
    groups = groups_of(experts())
    assert groups["stacked_up"] == ("channel", 7)
    assert [groups[f"up_{i}"] for i in range(3)] == [("channel", 5)] * 3
    assert not any("router" in name for name in groups)


def groups_of(model):
    return {g.name: (g.kind, g.channels) for g in structure.groups(model)}


def test_a_residual_stream_is_one_group_and_a_block_inside_another():
    model = residual()
    names = [layer.name for layer in model.layers if isinstance(layer, L.Conv2D)]
    first, inside, back, squeeze, excite = names
    assert groups_of(model) == {
        f"{first}+{back}+{excite}": ("channel", 8),
        inside: ("channel", 6),
        squeeze: ("channel", 4),
    }


def test_attention_has_heads_and_widths():
    x = keras.Input((5, 6))
    y = L.Dense(2)(L.MultiHeadAttention(4, 3, value_dim=5, name="mha")(L.Dense(6)(x), x))
    kinds = sorted((g.kind, g.channels) for g in structure.groups(keras.Model(x, y)))
    assert kinds == [("channel", 6), ("channel", 6), ("head", 4), ("width", 3), ("width", 5)]


def test_hand_made_attention_is_cut_by_heads():
    assert (("channel", 4)) in groups_of(hand_made_attention()).values()


def test_inputs_and_outputs_keep_their_width():
    x = keras.Input((4,))
    h = L.Dense(4, name="adds_the_input")(x) + x
    y = L.Dense(3, name="output")(L.Dense(5, name="cut")(h))
    assert groups_of(keras.Model(x, y)) == {"cut": ("channel", 5)}


class Unfamiliar(L.Layer):
    def call(self, x):
        return ops.flip(x, axis=-1)


class OwnDense(L.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, x):
        return x @ self.kernel

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize(
    "layer", [Unfamiliar(name="odd"), L.Lambda(lambda x: x[:, ::-1], name="odd")]
)
def test_an_unknown_operation_stops_and_is_named_and_the_rest_is_cut(layer):
    model = chain((4,), L.Dense(6), layer, L.Dense(5, name="cut"), L.Dense(2))
    graph = structure.analyse(randomize(model))
    assert [g.name for g in graph.groups] == ["cut"]
    (notice,) = graph.notices
    assert "'odd'" in notice
    assert "stay" in notice
    check_cut(graph, random_removal(graph, 0.5, 0), flops=False)


def test_a_layer_of_your_own_registers_its_rule_with_one_function(monkeypatch):
    from secateur.structure import rules

    monkeypatch.setattr(rules, "_rules", dict(rules._rules))
    model = randomize(chain((4,), L.Dense(6), OwnDense(5, name="own"), L.Dense(2)))
    assert len(structure.analyse(model).notices) == 1

    @structure.rule(OwnDense)
    def own_dense(site):
        site.reads(site.op.kernel, 0, site.x[-1])
        y = site.makes(site.op.kernel, 1)
        site.width("units", y)
        return [(*site.x[:-1], y)]

    graph = structure.analyse(model)
    assert [g.name for g in graph.groups][-1] == "own"
    small = check_cut(graph, random_removal(graph, 0.5, 0), flops=False)
    assert small.get_layer("own").units == 3


def test_normalisation_over_channels_is_cut_only_when_asked():
    model = randomize(
        chain((4,), L.Dense(8, name="wide"), L.LayerNormalization(name="ln"), L.Dense(2))
    )
    graph = structure.analyse(model)
    assert graph.groups == []
    assert "'ln' normalises over these channels" in structure.describe(graph)
    graph = structure.analyse(model, through_normalization=True)
    removed = random_removal(graph, 0.5, 0)
    small = structure.remove(model, structure.Removal(graph, removed))
    wide, kept = model.get_layer("wide"), ~removed[graph.groups[0].units]
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    h = keras.ops.convert_to_numpy(wide(x))[:, kept]
    h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-3)
    norm, last = model.get_layer("ln"), model.layers[-1]
    h = h * np.array(norm.gamma)[kept] + np.array(norm.beta)[kept]
    want = h @ np.array(last.kernel)[kept] + np.array(last.bias)
    np.testing.assert_allclose(np.array(small(x)), want, atol=1e-5)


def test_subclassed_models_are_refused_with_what_works_instead():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"not a Functional or Sequential model.*'weight'"):
        structure.analyse(Mine())
