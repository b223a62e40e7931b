"""Layers that go whole: which can, in which order they go, and the model without them."""

import keras
import numpy as np
import pytest

from secateur import structure
from secateur.evaluation.flops import total_flops
from secateur.models.architectures.resnet import resnet_20
from secateur.models.weights import weight_paths
from secateur.structure.execute import Execution
from secateur.structure.layers import Costs
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import batch, magnitude, outputs, randomize

L = keras.layers
ops = keras.ops


def mlp(depth=4, width=6):
    """Residual blocks written out, so that the tests can compute them by hand."""
    x = inputs = keras.Input((5,))
    x = L.Dense(width, name="first")(x)
    for i in range(depth):
        y = L.Dense(8, activation="relu", name=f"up_{i}")(x)
        x = L.Add(name=f"add_{i}")([x, L.Dense(width, name=f"down_{i}")(y)])
    return randomize(keras.Model(inputs, L.Dense(3, name="last")(x), name="mlp"))


def by_hand(model, x, without=()):
    """The same model as a loop over its blocks."""
    w = {path: np.array(v, np.float64) for path, v in weight_paths(model)}

    def dense(h, name):
        return h @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    h, i, flows = dense(x, "first"), 0, []
    while f"up_{i}/kernel" in w:
        y = h + dense(np.maximum(dense(h, f"up_{i}"), 0), f"down_{i}")
        flows.append((h, y))
        h, i = (h if f"add_{i}" in without else y), i + 1
    return dense(h, "last"), flows


def data(n=40):
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 5)).astype("float32"), rng.integers(0, 3, n)


def test_parts_of_a_residual_network_are_its_blocks():
    found = structure.parts(resnet_20((16, 16, 3), 10))
    blocks = [part for part in found if part.kind == "block"]
    assert [part.name for part in blocks] == [
        f"stage_{s}_block_{b}_add"
        for s in (1, 2, 3)
        for b in (1, 2, 3)
        if (s, b) not in {(2, 1), (3, 1)}
    ]
    assert blocks[0].layers == tuple(
        f"stage_1_block_1_{i}_{kind}" for i in (1, 2) for kind in ("conv", "bn")
    )
    assert blocks[0].parameters == 2 * (3 * 3 * 16 * 16 + 4 * 16)
    # The second convolutions of the two blocks that change the shape stand by themselves.
    layers = [part for part in found if part.kind == "layer"]
    assert [part.layers for part in layers] == [
        (f"stage_{s}_block_1_2_conv", f"stage_{s}_block_1_2_bn") for s in (2, 3)
    ]


def test_a_block_gone_leaves_its_input():
    model = mlp()
    x, _ = data()
    for part in structure.parts(model):
        small = structure.remove(model, structure.LayerRemoval(model, (part,)))
        np.testing.assert_allclose(
            outputs(small, x)[0], by_hand(model, x, {part.name})[0], rtol=1e-6, atol=1e-5
        )
        assert model.count_params() - small.count_params() == part.parameters


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_loss_is_that_of_the_model_without_the_block(number):
    model = mlp()
    x, y = data()

    def loss(without):
        logits = by_hand(model, x, without)[0]
        high = logits.max(1, keepdims=True)
        return float(
            (np.log(np.exp(logits - high).sum(1)) + high[:, 0] - logits[range(40), y]).mean()
        )

    gone = []
    for _ in range(number):
        left = [f"add_{i}" for i in range(4) if f"add_{i}" not in gone]
        gone.append(min(left, key=lambda name: loss({*gone, name})))
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    removal = structure.choose_layers(
        model, ratio=number / 4, data=(x, y), loss=entropy, batch_size=16
    )
    assert [part.name for part in removal.parts] == gone


def test_similarity_is_of_what_comes_in_and_what_comes_out():
    model = mlp()
    x, y = data()
    gone = []
    for _ in range(2):
        flows = by_hand(model, x, set(gone))[1]
        cosines = [
            np.mean(
                [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(h, z, strict=True)]
            )
            for h, z in flows
        ]
        left = [i for i in range(4) if f"add_{i}" not in gone]
        gone.append(f"add_{max(left, key=lambda i: cosines[i])}")
    removal = structure.choose_layers(
        model, ratio=0.5, criterion="similarity", data=(x, y), batch_size=7
    )
    assert [part.name for part in removal.parts] == gone


def test_scores_are_the_mean_over_the_weights_of_a_block():
    model = mlp()
    scores = {
        path: np.full(v.shape, float(path.split("/")[0][-1]))
        for path, v in weight_paths(model)
        if path.startswith("up")
    }
    removal = structure.choose_layers(model, ratio=0.5, criterion="scores", scores=scores)
    assert [part.name for part in removal.parts] == ["add_0", "add_1"]
    del scores["up_0/kernel"], scores["up_0/bias"]
    removal = structure.choose_layers(model, ratio=0.7, criterion="scores", scores=scores)
    assert [part.name for part in removal.parts] == ["add_1", "add_2"]
    assert removal.notices == ["Not removed, because they have no scores: add_0."]


@pytest.mark.parametrize("measure", ["layers", "parameters", "flops"])
@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.4])
def test_a_target_is_met_as_closely_as_one_part_allows(measure, ratio):
    model = randomize(resnet_20((16, 16, 3), 10))
    scores = magnitude(model)
    removal = structure.choose_layers(
        model, ratio=ratio, measure=measure, criterion="scores", scores=scores
    )
    all_parts = structure.choose_layers(model, ratio=0.999, criterion="scores", scores=scores).parts
    values = []
    for number in range(len(all_parts) + 1):
        one = structure.LayerRemoval(model, all_parts[:number])
        values.append(
            {
                "layers": len(all_parts) - number,
                "parameters": one.parameters,
                "flops": one.flops,
            }[measure]
        )
    goal = values[0] * (1 - ratio)
    number = len(removal.parts)
    assert [p.name for p in removal.parts] == [p.name for p in all_parts[:number]]
    assert abs(values[number] - goal) == min(abs(value - goal) for value in values)
    small = structure.remove(model, removal)
    assert small.count_params() == removal.parameters
    assert total_flops(small) == removal.flops


def test_a_measured_latency_and_a_target_that_cannot_be_reached():
    model = mlp()
    scores = magnitude(model)
    removal = structure.choose_layers(
        model,
        ratio=0.5,
        measure="latency",
        criterion="scores",
        scores=scores,
        latency=lambda candidate: float(candidate.count_params()),
    )
    assert removal.parts
    far = structure.choose_layers(
        model, ratio=0.9, measure="parameters", criterion="scores", scores=scores
    )
    assert len(far.parts) == 4
    assert "cannot be reached" in far.notices[0]


def nested():
    x = inner_in = keras.Input((8,))
    x = L.Add(name="add")([x, L.Dense(8, name="twice")(L.Dense(4, name="inner_up")(x))])
    inner = keras.Model(inner_in, L.ReLU(name="inner_relu")(x), name="inner")
    tail = keras.Sequential(
        [keras.Input((8,)), L.Dense(8, name="flat"), L.ReLU(), L.Dense(6, name="out")], name="tail"
    )
    inputs = keras.Input((8,))
    x = inner(L.Dense(8, activation="tanh", name="head")(inputs))
    return randomize(keras.Model(inputs, tail(inner(x)), name="outer"))


def decoder():
    return zoo.encoder_decoder()


def chain(*stack, shape=(8, 8, 4)):
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def wrapped():
    """A model inside a wrapper, that is no graph of its own here, between layers that can go."""
    step = keras.Input((6,))
    inner = keras.Model(step, L.Dense(6)(L.BatchNormalization()(L.Dense(5)(step))))
    inputs = keras.Input((3, 6))
    x = L.TimeDistributed(inner)(L.Dense(6, name="before")(inputs))
    x = L.Bidirectional(L.GRU(3, return_sequences=True), name="both")(x)
    return keras.Model(inputs, L.Dense(2)(x))


MODELS = {
    "wrapped": wrapped,
    "resnet_20": lambda: resnet_20((16, 16, 3), 10),
    "nested": nested,
    "decoder": decoder,
    "ViT": zoo.vit,
    "plain": lambda: chain(
        L.Conv2D(4, 3, padding="same"), L.BatchNormalization(), L.ReLU(), L.Conv2D(2, 1)
    ),
    "sequential": lambda: keras.Sequential(
        [keras.Input((6, 8)), L.LSTM(8, return_sequences=True), L.Dense(8), L.Dense(3)]
    ),
    "MobileNetV2": zoo.APPLICATIONS["MobileNetV2"],
}
SOME = [x if x != "MobileNetV2" else pytest.param(x, marks=pytest.mark.slow) for x in MODELS]


@pytest.mark.parametrize("name", SOME)
def test_each_part_of_a_model_can_go_and_what_goes_is_what_was_said(name, tmp_path):
    model = randomize(MODELS[name]())
    found = structure.parts(model)
    assert found
    x = batch(model, 2)
    before = {path: np.array(v) for path, v in weight_paths(model)}
    picked = found if len(found) < 6 else [found[0], found[-1]]
    for part in [(p,) for p in picked] + [tuple(found[::2])]:
        removal = structure.LayerRemoval(model, part)
        small = structure.remove(model, removal)
        assert small.count_params() == removal.parameters
        assert total_flops(small) == removal.flops
        assert type(small) is type(model)
        left = dict(weight_paths(small))
        assert set(left) < set(before)
        for path, variable in left.items():
            np.testing.assert_array_equal(np.array(variable), before[path])
        # Eager, operation by operation, it computes the same.
        want = keras.tree.flatten(Execution(model, removal.bypass)(x))
        for a, b in zip(want, outputs(small, x), strict=True):
            np.testing.assert_allclose(b, np.array(a), atol=1e-5 * np.abs(a).max())
    small.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded, x)[0], outputs(small, x)[0])


def test_a_whole_nested_block_and_the_parts_inside_a_nested_model():
    names = [(part.name, part.kind) for part in structure.parts(nested())]
    assert ("head", "layer") in names
    assert ("tail/flat", "layer") in names
    assert any(name.startswith("inner/") and kind == "block" for name, kind in names)
    assert "inner" not in [name for name, _ in names]  # it is called twice


def test_a_block_that_reads_another_input_is_removed_only_if_that_input_still_matters():
    x, memory = keras.Input((4, 8)), keras.Input((4, 8))
    y = L.Dense(8, name="mixed")(L.Concatenate()([x, memory]))
    model = keras.Model([x, memory], L.Dense(2)(x + y))
    assert structure.parts(model) == []
    both = keras.Model([x, memory], [L.Dense(2)(x + y), L.Dense(2)(memory)])
    assert [part.layers for part in structure.parts(both)] == [("mixed",)]


def test_an_addition_of_two_ways_is_no_block():
    inputs = keras.Input((8,))
    x = L.Dense(8, name="stem")(inputs)
    model = keras.Model(inputs, L.Dense(2)(L.Dense(8)(x) + L.Dense(8)(x)))
    found = structure.parts(model)
    assert found[0].name == "stem"
    assert {part.kind for part in found} == {"layer"}


def test_widths_before_and_after():
    model = mlp(2)
    removal = structure.choose_layers(model, ratio=0.5, criterion="scores", scores=magnitude(model))
    gone = removal.parts[0].name[-1]
    assert removal.layer_widths == {
        "first": (6, 6),
        **{f"up_{i}": (8, 0 if str(i) == gone else 8) for i in range(2)},
        **{f"down_{i}": (6, 0 if str(i) == gone else 6) for i in range(2)},
        "last": (3, 3),
    }


def test_compile_settings_and_the_state_of_the_optimizer_follow():
    model = mlp()
    model.compile(keras.optimizers.Adam(0.03125), "mse", metrics=["mae"], jit_compile=False)
    x, _ = data()
    model.fit(x, np.ones((40, 3)), verbose=0)
    (part, *_) = structure.parts(model)
    small = structure.remove(model, structure.LayerRemoval(model, (part,)))
    old = {v.name: np.array(v) for v in model.optimizer.variables}
    new = {v.name: np.array(v) for v in small.optimizer.variables}
    assert set(new) < set(old)
    for name, value in new.items():
        np.testing.assert_array_equal(value, old[name])
    small.fit(x, np.ones((40, 3)), verbose=0)


def test_costs_without_building_are_those_of_evaluation():
    model = randomize(nested())
    assert Costs(model).flops({}) == total_flops(model)
    assert Costs(model).parameters({}) == model.count_params()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ratio": 1.0}, "below 1"),
        ({"measure": "channels"}, "layers, parameters, flops, latency"),
        ({"measure": "latency"}, "needs `latency`"),
        ({"criterion": "size"}, "loss, similarity, scores"),
        ({"criterion": "loss"}, "looks at examples"),
        ({"criterion": "scores"}, "needs `scores`"),
        ({"include": ("nothing*",)}, "No layer of 'mlp' can be removed"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(wrong, message):
    given = {"criterion": "similarity", "data": data(), **wrong}
    if "criterion" in wrong:
        del given["data"]
    with pytest.raises(ValueError, match=message):
        structure.choose_layers(mlp(), **given)


def test_a_subclassed_model_is_refused_with_what_works_instead():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"not a Functional or Sequential model.*'weight'"):
        structure.parts(Mine())
