"""N:M, blocks and channels against loops over groups; layouts of the layers that Keras has."""

import itertools
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout, describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.pattern import unview, view
from secateur.sparsity.select import select

L = keras.layers
quick = settings(deadline=None, max_examples=60)


@st.composite
def laid_out(draw):
    """A weight of one to four axes that are inputs, outputs or neither, and scores full of ties."""
    kinds = draw(st.lists(st.sampled_from("iox"), min_size=1, max_size=4))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=len(kinds), max_size=len(kinds))))
    inputs, outputs = (tuple(i for i, k in enumerate(kinds) if k == kind) for kind in "io")
    layout = Layout("a", "Dense", shape, inputs, outputs)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    top = draw(st.sampled_from([2, 1000]))
    return layout, random.integers(0, top, shape).astype("float32")


def runs_of_inputs(layout):
    """Indices of the weights of one output at one place, in the order of the inputs."""
    others = [axis for axis in range(len(layout.shape)) if axis not in layout.input_axes]
    for place in itertools.product(*(range(layout.shape[axis]) for axis in others)):
        run = []
        for at in itertools.product(*(range(layout.shape[axis]) for axis in layout.input_axes)):
            index = dict(zip(others, place, strict=True))
            index |= dict(zip(layout.input_axes, at, strict=True))
            run.append(tuple(index[axis] for axis in range(len(layout.shape))))
        yield run


@quick
@given(laid_out(), st.integers(2, 20), st.data())
def test_n_of_m_holds_in_every_group(weight, m, data):
    layout, scores = weight
    n = data.draw(st.integers(1, m - 1))
    masks = select(
        {"a/kernel": scores}, TargetConfig(pattern=f"{n}:{m}"), layers={"a/kernel": layout}
    )
    mask = masks["a/kernel"]
    for run in runs_of_inputs(layout):
        for start in range(0, len(run), m):
            group = run[start : start + m]
            kept = [at for at in group if mask[at]]
            best = sorted(range(len(group)), key=lambda i: (scores[group[i]], i))[-n:]
            assert kept == [group[i] for i in sorted(best)]
    short = math.prod(layout.shape[axis] for axis in layout.input_axes) % m
    assert any("no multiple" in notice for notice in masks.notices) == bool(short)


@quick
@given(laid_out())
def test_views_are_undone(weight):
    layout, scores = weight
    np.testing.assert_array_equal(unview(view(scores, layout), layout), scores)


POOLS = {
    "mean": lambda values: float(np.mean(values)),
    "l1": lambda values: float(np.sum(values)),
    "l2": lambda values: math.sqrt(float(np.sum(np.square(values)))),
    "max": lambda values: float(np.max(values)),
}


def blocks_of(shape, rows, columns):
    for i, j in itertools.product(range(0, shape[0], rows), range(0, shape[1], columns)):
        yield np.s_[i : i + rows, j : j + columns]


@quick
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.floats(0, 0.99),
    st.sampled_from(sorted(POOLS)),
    st.integers(0, 2**32),
)
def test_blocks_go_whole_lowest_first_and_to_the_nearest_block(shape, block, ratio, pooling, seed):
    scores = np.random.default_rng(seed).random(shape)
    target = TargetConfig(ratio=ratio, pattern=f"{block[0]}x{block[1]}", pooling=pooling)
    masks = select({"a/kernel": scores}, target)
    mask = masks["a/kernel"]
    worth, sizes, kept = [], [], []
    for part in blocks_of(shape, *block):
        assert mask[part].all() or not mask[part].any()
        worth.append(POOLS[pooling](scores[part]))
        sizes.append(scores[part].size)
        kept.append(bool(mask[part].all()))
    order = np.argsort(worth, kind="stable")
    count = len(kept) - sum(kept)
    assert not any(kept[i] for i in order[:count])
    sums = [0, *np.cumsum([sizes[i] for i in order])][:-1]  # the best block always stays
    wanted = round(ratio * scores.size)
    assert abs(sums[count] - wanted) == min(abs(some - wanted) for some in sums)
    uneven = shape[0] % block[0] or shape[1] % block[1]
    assert any("smaller" in notice for notice in masks.notices) == bool(uneven)
    assert any("in whole units" in notice for notice in masks.notices) == (sums[count] != wanted)


@pytest.mark.parametrize("allocation", ["global", "uniform", "erk", "lamp"])
@quick
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 7)), min_size=1, max_size=4),
    st.lists(st.floats(0, 0.99), min_size=2, max_size=3),
    st.sampled_from(["channel", "1x2", "3x2"]),
    st.integers(1, 9),
    st.data(),
)
def test_units_are_nested_floored_near_the_ratio_and_blind_to_order(
    allocation, shapes, ratios, pattern, floor, data
):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    scores = {f"{i}/kernel": random.random(shape) for i, shape in enumerate(shapes)}
    total = sum(array.size for array in scores.values())
    before = None
    for ratio in sorted(ratios):
        target = TargetConfig(ratio=ratio, allocation=allocation, pattern=pattern, floor=floor)
        masks = select(scores, target)
        shuffled = {path: scores[path] for path in data.draw(st.permutations(list(scores)))}
        assert select(shuffled, target).digest() == masks.digest()
        for path, array in scores.items():
            assert masks.kept(path) >= min(floor, array.size)
            assert before is None or np.all(masks[path] <= before[path])
        said = any("in whole units" in notice for notice in masks.notices)
        assert said == (masks.size() - masks.kept() != round(ratio * total))
        before = masks


def test_a_channel_is_an_output_unit_of_its_layer():
    scores = np.ones((3, 3, 4, 5))
    scores[..., 2] = 0.5
    layers = {"a/kernel": Layout("a", "Conv2D", scores.shape, (2,), (3,))}
    target = TargetConfig(ratio=0.2, pattern="channel")
    mask = select({"a/kernel": scores}, target, layers=layers)["a/kernel"]
    assert not mask[..., 2].any()
    assert mask.sum() == 3 * 3 * 4 * 4


def test_the_kernels_of_a_cell_share_their_units():
    model = keras.Sequential([keras.Input((4, 3)), L.LSTM(5, name="r"), L.Dense(2, name="d")])
    layouts = describe(model)
    scores = {path: np.ones(layout.shape) for path, layout in layouts.items()}
    for path in scores:
        if "lstm" in path:
            scores[path][:, 1::5] = 0.1  # unit 1 of all four gates
    target = TargetConfig(ratio=0.2, pattern="channel", include=["*lstm_cell*"])
    masks = select(scores, target, layers=layouts)
    assert len(masks) == 2
    for path in masks:
        gates = masks[path].reshape(-1, 4, 5)
        assert not gates[:, :, 1].any()
        assert gates[:, :, [0, 2, 3, 4]].all()


LAYERS = {
    "Dense": ((6,), lambda: L.Dense(4), (6, 4)),
    "Conv1D": ((8, 6), lambda: L.Conv1D(4, 3), (6, 4)),
    "Conv2D": ((8, 8, 6), lambda: L.Conv2D(4, 3, groups=2), (3, 4)),
    "Conv3D": ((5, 5, 5, 6), lambda: L.Conv3D(4, 3), (6, 4)),
    "Conv2DTranspose": ((8, 8, 6), lambda: L.Conv2DTranspose(4, 3), (6, 4)),
    "DepthwiseConv2D": ((8, 8, 6), lambda: L.DepthwiseConv2D(3, depth_multiplier=2), (9, 12)),
    "EinsumDense": ((5, 6), lambda: L.EinsumDense("abc,cde->abde", (5, 2, 4)), (6, 8)),
    "Embedding": ((5,), lambda: L.Embedding(7, 4), (7, 4)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_inputs_and_outputs_of_a_layer(kind):
    shape, build, (inputs, outputs) = LAYERS[kind]
    model = keras.Sequential([keras.Input(shape), build()])
    (layout,) = describe(model).values()
    assert layout.kind == kind
    assert layout.known
    assert math.prod(layout.shape[axis] for axis in layout.input_axes) == inputs
    assert math.prod(layout.shape[axis] for axis in layout.output_axes) == outputs
    # Erdős-Rényi-Kernel and N:M need nothing else; a unit of the layer has its fan-in.
    assert layout.size // outputs == layout.fan_in


def test_a_layer_that_nobody_knows_is_named():
    class Mine(L.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], 4), name="matrix")

        def call(self, x):
            return keras.ops.matmul(x, self.matrix)

    model = keras.Sequential([keras.Input((8,)), Mine(name="mine")])
    layouts = describe(model)
    scores = {path: np.ones(layout.shape) for path, layout in layouts.items()}
    masks = select(scores, TargetConfig(pattern="2:4"), layers=layouts)
    assert any("Mine, a type of layer that is not known" in n for n in masks.notices)


def test_a_pattern_within_masks_of_an_earlier_round():
    random = np.random.default_rng(0)
    scores = {"a/kernel": random.random((8, 6))}
    before = Masks({"a/kernel": random.random((8, 6)) < 0.6})
    for target in (
        TargetConfig(pattern="2:4"),
        TargetConfig(ratio=0.7, pattern="channel"),
        TargetConfig(ratio=0.7, pattern="2x2"),
    ):
        after = select(scores, target, within=before)
        assert np.all(after["a/kernel"] <= before["a/kernel"])
        assert after.kept() < before.kept()
