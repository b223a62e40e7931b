"""The property that removal stands on, for random graphs made of all kinds of operations."""

import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur import structure
from tests.secateur.structure.reference import batch, check_cut, random_removal, randomize

L = keras.layers
ops = keras.ops

WIDTHS = (4, 6, 8)
CHANNELWISE = {
    "relu": L.ReLU,
    "swish": lambda: L.Activation("swish"),
    "prelu": lambda: L.PReLU(shared_axes=[1, 2]),
    "prelu_everywhere": L.PReLU,
    "batch_norm": L.BatchNormalization,
    "instance_norm": lambda: L.GroupNormalization(-1),
    "group_norm": lambda: L.GroupNormalization(2),
    "layer_norm": L.LayerNormalization,
    "rms_norm": L.RMSNormalization,
    "depthwise": lambda: L.DepthwiseConv2D(3, padding="same"),
    "pool": lambda: L.MaxPooling2D(2, strides=1, padding="same"),
    "average": lambda: L.AveragePooling2D(3, strides=1, padding="same"),
    "pad_and_crop": lambda: lambda x: L.Cropping2D(1)(L.ZeroPadding2D(1)(x)),
    "up_and_down": lambda: lambda x: L.MaxPooling2D(2)(L.UpSampling2D(2)(x)),
    "dropout": lambda: L.Dropout(0.3),
    "noise": lambda: L.GaussianNoise(0.3),
    "raw": lambda: lambda x: ops.tanh(x) * 2.0 + 1.0,
    "turned": lambda: lambda x: ops.transpose(L.Permute((3, 2, 1))(x), (0, 3, 2, 1)),
    "flat": lambda: lambda x: L.Reshape(tuple(x.shape[1:]))(L.Flatten()(x)),
    "softmax": L.Softmax,
    "channels_first": lambda: _channels_first,
    "spatial_dropout": lambda: L.SpatialDropout2D(0.2),
    "doubled": lambda: lambda x: ops.repeat(ops.tile(x, (1, 1, 1, 2)), 2, axis=1)[:, ::2],
    "squeezed": lambda: _squeeze_and_excite,
}
WEIGHTED = {
    "conv": lambda n: L.Conv2D(n, 3, padding="same", activation="relu"),
    "pointwise": lambda n: L.Conv2D(n, 1, use_bias=False),
    "grouped": lambda n: L.Conv2D(n, 3, padding="same", groups=2),
    "dense": lambda n: L.Dense(n, activation="tanh"),
    "einsum": lambda n: L.EinsumDense("...d,de->...e", n, bias_axes="e"),
    "separable": lambda n: L.SeparableConv2D(n, 3, padding="same"),
    "transposed": lambda n: L.Conv2DTranspose(n, 2, padding="same"),
    "multiplied": lambda n: (
        lambda x: L.Conv2D(n, 1)(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x))
    ),
    "steps": lambda n: lambda x: L.TimeDistributed(L.Dense(n))(x),
    "recurrent": lambda n: lambda x: L.TimeDistributed(L.GRU(n, return_sequences=True))(x),
    "attention": lambda n: lambda x: _attention(x, n),
    "grouped_attention": lambda n: lambda x: _grouped_attention(x, n),
    "raw_attention": lambda n: lambda x: _raw_attention(x, n),
    "two_axes": lambda n: (
        lambda x: L.EinsumDense("bhwij,ijd->bhwd", (4, 4, n), bias_axes="d")(
            L.EinsumDense("bhwc,cij->bhwij", (4, 4, 3, 2), activation="relu", bias_axes="j")(x)
        )
    ),
    "conv_1d": lambda n: lambda x: _as_steps(x, L.Conv1D(n, 3, padding="causal")),
    "depthwise_1d": lambda n: (
        lambda x: _as_steps(
            L.Conv2D(n, 1)(x),
            L.DepthwiseConv1D(3, padding="same"),
            L.SeparableConv1D(n, 3, padding="same"),
            L.Conv1DTranspose(n, 1),
        )
    ),
    "conv_3d": lambda n: lambda x: _as_volume(x, n),
    "both_ways": lambda n: (
        lambda x: _as_steps(x, L.Bidirectional(L.LSTM(n // 2, return_sequences=True)))
    ),
    "rnn": lambda n: lambda x: _as_steps(x, L.SimpleRNN(n, return_sequences=True)),
    "gated": lambda n: lambda x: ops.glu(L.Conv2D(2 * n, 1)(x)),
    "experts": lambda n: lambda x: _experts(x, n),
    "nested": lambda n: lambda x: _nested(x.shape[1:], n, 1)(x),
    "nested_deeply": lambda n: lambda x: _nested(x.shape[1:], n, 3)(x),
}
MERGED = {
    "add": L.Add,
    "multiply": L.Multiply,
    "maximum": L.Maximum,
    "average": L.Average,
    "minus": lambda: lambda pair: pair[0] - pair[1],
    "concat": L.Concatenate,
    "gate": lambda: lambda pair: pair[0] * ops.sigmoid(ops.mean(pair[1], (1, 2), keepdims=True)),
    "map": lambda: lambda pair: pair[0] * L.Conv2D(1, 1)(pair[1]),
    "halves": lambda: (
        lambda pair: ops.concatenate([pair[0][..., 1:], ops.split(pair[1], 2, axis=-1)[0]], axis=-1)
    ),
}


def _as_steps(x, *stack):
    y = L.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x)
    for layer in stack:
        y = layer(y)
    return L.Reshape((*x.shape[1:3], y.shape[-1]))(y)


def _as_volume(x, n):
    y = L.Conv3D(n, 2, padding="same", activation="relu")(ops.expand_dims(x, 3))
    y = L.Conv3DTranspose(n, 1)(L.BatchNormalization()(y))
    return ops.squeeze(y, axis=3)


def _attention(x, n):
    y = L.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x)
    y = L.MultiHeadAttention(2, 3, output_shape=n)(y, y)
    return L.Reshape((*x.shape[1:3], n))(y)


def _grouped_attention(x, n):
    y = L.Reshape((x.shape[1] * x.shape[2], n))(L.Conv2D(n, 1)(x))
    y = L.GroupQueryAttention(3, 4, 2)(y, y)
    return L.Reshape((*x.shape[1:3], n))(y)


def _raw_attention(x, n):
    """Heads made by reshaping and transposing."""
    steps = x.shape[1] * x.shape[2]
    y = L.Reshape((steps, x.shape[3]))(x)
    q, k, v = (
        ops.transpose(ops.reshape(L.Dense(6)(y), (-1, steps, 3, 2)), (0, 2, 1, 3)) for _ in "qkv"
    )
    scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))), axis=-1)
    y = ops.transpose(ops.matmul(scores, v), (0, 2, 1, 3))
    return L.Reshape((*x.shape[1:3], n))(L.Dense(n)(ops.reshape(y, (-1, steps, 6))))


def _experts(x, n):
    """Three experts with their hidden units, weighted by a router."""
    weights = L.Dense(3, activation="softmax")(x)
    hidden = L.EinsumDense("bhwc,ceu->bhweu", (4, 4, 3, 5), bias_axes="eu", activation="relu")(x)
    made = L.EinsumDense("bhweu,eud->bhwed", (4, 4, 3, n), bias_axes="ed")(hidden)
    return ops.einsum("bhwe,bhwed->bhwd", weights, made)


def _squeeze_and_excite(x):
    y = L.Dense(4, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(x))
    return L.Multiply()([x, L.Conv2D(x.shape[-1], 1, activation="sigmoid")(y)])


def _channels_first(x):
    """What TensorFlow runs on a CPU in this format."""
    y = L.Permute((3, 1, 2))(x)
    y = L.PReLU(shared_axes=[2, 3])(L.BatchNormalization(axis=1)(y))
    y = L.UpSampling2D(1, data_format="channels_first")(y)
    y = L.ZeroPadding2D(1, data_format="channels_first")(y)
    y = L.Cropping2D(1, data_format="channels_first")(y)
    y = L.Flatten(data_format="channels_first")(y)
    return L.Reshape(tuple(x.shape[1:]))(y)


def _nested(shape, n, depth):
    inputs = keras.Input(shape)
    x = L.Conv2D(6, 1, activation="relu")(inputs)
    x = _nested(x.shape[1:], 5, depth - 1)(x) if depth > 1 else L.BatchNormalization()(x)
    x = L.Conv2D(n, 1)(x)
    return (
        keras.Model(inputs, x)
        if depth % 2
        else keras.Sequential([keras.Input(shape), keras.Model(inputs, x), L.PReLU()])
    )


@st.composite
def programs(draw):
    step = st.one_of(
        st.tuples(st.just("channelwise"), st.sampled_from(sorted(CHANNELWISE))),
        st.tuples(st.just("weighted"), st.sampled_from(sorted(WEIGHTED)), st.sampled_from(WIDTHS)),
        st.tuples(st.just("merged"), st.sampled_from(sorted(MERGED))),
        st.tuples(st.just("shared"), st.sampled_from(["dense", "nested"]), st.sampled_from(WIDTHS)),
        st.tuples(st.just("tokens"), st.sampled_from(WIDTHS)),
        st.tuples(st.just("unknown")),
    )
    picks = st.integers(0, 50)
    return draw(st.lists(st.tuples(step, picks, picks), min_size=3, max_size=9))


def build(program):
    """Runs a program on a pool of tensors; steps that do not fit are left out."""
    inputs, tokens = keras.Input((4, 4, 4)), keras.Input((16,), dtype="int32")
    pool = [inputs, L.Conv2D(6, 3, padding="same")(inputs)]
    embedded = []
    shared = {}
    for (kind, *what), first, second in program:
        x, y = pool[first % len(pool)], pool[-1 - second % len(pool)]
        if kind == "channelwise":
            if "group" in what[0] and x.shape[-1] % 2:
                continue
            pool.append(CHANNELWISE[what[0]]()(x))
        elif kind == "weighted":
            if what[0] == "grouped" and x.shape[-1] % 2:
                continue
            pool.append(WEIGHTED[what[0]](what[1])(x))
        elif kind == "shared":
            key = (*what, x.shape[-1])
            if key not in shared:
                dense = what[0] == "dense"
                shared[key] = L.Dense(what[1]) if dense else _nested(x.shape[1:], what[1], 1)
            pool.append(shared[key](x))
        elif kind == "tokens":
            embedded.append(L.Reshape((4, 4, what[0]))(L.Embedding(9, what[0])(tokens)))
            pool.append(embedded[-1])
        elif kind == "unknown":
            pool.append(L.Lambda(lambda y: y[..., ::-1], output_shape=x.shape[1:])(x))
        else:
            name = what[0]
            free = name in ("concat", "map") or (name == "halves" and y.shape[-1] % 2 == 0)
            if not free and x.shape[-1] != y.shape[-1]:
                y = L.Conv2D(x.shape[-1], 1)(y)
            if name == "halves" and y.shape[-1] % 2:
                continue
            pool.append(MERGED[name]()([x, y]))
    ends = [L.Conv2D(2, 1)(x) for x in pool[-2:]]
    ends.append(L.Dense(2)(L.Flatten()(pool[-1])))
    if embedded:
        ends.append(L.Dense(2)(L.GlobalMaxPooling2D()(embedded[0])))
    return randomize(keras.Model([inputs, tokens] if embedded else inputs, ends))


few = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
cases = given(program=programs(), share=st.sampled_from([0.3, 0.7]), seed=st.integers(0, 100))


@few
@cases
def test_the_cut_model_is_the_original_without_the_channels(program, share, seed):
    _check(program, share, seed)


@pytest.mark.slow
@many
@cases
def test_the_cut_model_is_the_original_without_the_channels_at_length(program, share, seed):
    _check(program, share, seed)


def _check(program, share, seed):
    model = build(program)
    graph = structure.analyse(model)
    unknown = [x for x in model.layers if isinstance(x, L.Lambda)]
    assert len(graph.notices) <= len(unknown)
    assert all("(Lambda) is not cut" in notice for notice in graph.notices)
    removed = random_removal(graph, share, seed)
    check_cut(graph, removed, batch(model, 2, seed), flops=not unknown)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CHANNELWISE, *WEIGHTED, *MERGED])
def test_every_operation_of_the_random_graphs_is_known_and_cut(name):
    """Each by itself: a program that Hypothesis may not come to."""
    kind = "channelwise" if name in CHANNELWISE else "weighted" if name in WEIGHTED else "merged"
    step = (kind, name, 6) if kind == "weighted" else (kind, name)
    program = [(("weighted", "conv", 6), 1, 0), (step, 2, 1), (("weighted", "conv", 4), 3, 0)]
    graph = structure.analyse(build(program))
    assert not graph.notices
    for seed in range(2):
        _check(program, 0.5, seed)
