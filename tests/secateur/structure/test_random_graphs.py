"""The property that removal stands on, for random graphs made of all kinds of operations."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur import structure
from tests.secateur.structure.reference import check_cut, random_removal, randomize

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
    "softmax": lambda: L.Softmax(),
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
    "nested": lambda n: (
        lambda x: keras.Sequential(
            [keras.Input(x.shape[1:]), L.Conv2D(6, 1, activation="relu"), L.Conv2D(n, 1)]
        )(x)
    ),
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


def _attention(x, n):
    y = L.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x)
    y = L.MultiHeadAttention(2, 3, output_shape=n)(y, y)
    return L.Reshape((*x.shape[1:3], n))(y)


@st.composite
def programs(draw):
    step = st.one_of(
        st.tuples(st.just("channelwise"), st.sampled_from(sorted(CHANNELWISE))),
        st.tuples(st.just("weighted"), st.sampled_from(sorted(WEIGHTED)), st.sampled_from(WIDTHS)),
        st.tuples(st.just("merged"), st.sampled_from(sorted(MERGED))),
        st.tuples(st.just("shared"), st.sampled_from(WIDTHS)),
    )
    picks = st.integers(0, 50)
    return draw(st.lists(st.tuples(step, picks, picks), min_size=3, max_size=9))


def build(program):
    """Runs a program on a pool of tensors; steps that do not fit are left out."""
    inputs = keras.Input((4, 4, 4))
    pool = [inputs, L.Conv2D(6, 3, padding="same")(inputs)]
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
            key = (what[0], x.shape[-1])
            shared.setdefault(key, L.Dense(what[0]))
            pool.append(shared[key](x))
        else:
            name = what[0]
            free = name in ("concat", "map") or (name == "halves" and y.shape[-1] % 2 == 0)
            if not free and x.shape[-1] != y.shape[-1]:
                y = L.Conv2D(x.shape[-1], 1)(y)
            if name == "halves" and y.shape[-1] % 2:
                continue
            pool.append(MERGED[name]()([x, y]))
    ends = [L.Conv2D(2, 1)(x) for x in pool[-2:]]
    return randomize(keras.Model(inputs, [*ends, L.Dense(2)(L.Flatten()(pool[-1]))]))


few = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
cases = given(programs(), st.sampled_from([0.3, 0.7]), st.integers(0, 100))


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
    assert not graph.notices
    removed = random_removal(graph, share, seed)
    x = np.random.default_rng(seed).normal(size=(2, 4, 4, 4)).astype("float32")
    check_cut(graph, removed, x)
