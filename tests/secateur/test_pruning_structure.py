"""`secateur.prune` with patterns that are removed for good: channels, heads and layers."""

import keras
import numpy as np
import pytest

import secateur
from secateur import structure
from secateur.evaluation.flops import total_flops
from secateur.importance import score
from secateur.models.weights import content_digest
from secateur.sparsity.config import TargetConfig
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import randomize

L = keras.layers


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x = random.standard_normal((96, 8, 8, 3)).astype("float32")
    return x, np.argmax(x.mean((1, 2)), axis=1)


def network():
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((8, 8, 3))
    x = L.ReLU()(L.BatchNormalization(name="n")(L.Conv2D(12, 3, padding="same", name="stem")(x)))
    for name in "ab":
        y = L.Conv2D(12, 3, padding="same", activation="relu", name=f"{name}1")(x)
        x = L.Add(name=f"{name}_add")([x, L.Conv2D(12, 3, padding="same", name=f"{name}2")(y)])
    x = L.Dense(3, name="out")(L.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("pattern", "more"),
    [
        ("channel", {}),
        ("channel", {"measure": "flops", "round_to": 2}),
        ("layer", {"rank_layers": "similarity"}),
        ("layer", {"rank_layers": "loss", "measure": "parameters"}),
    ],
)
def test_it_is_what_the_room_of_structure_removes(pattern, more, data):
    model = network()
    before = content_digest(model)
    pruned = secateur.prune(model, data, 0.4, criterion="taylor", pattern=pattern, **more)
    assert content_digest(model) == before
    wanted = structure.remove_least(
        model,
        score(model, data, "taylor"),
        TargetConfig(pattern=pattern, ratio=0.4, **more),
        data=data,
        loss=model.loss,
    )
    assert content_digest(pruned.model) == content_digest(wanted.model)
    assert pruned.widths == wanted.widths
    assert total_flops(pruned.model) < total_flops(model)
    assert {"cut", "statistics"} <= {check.subject for check in pruned.checks}
    assert not pruned.masks
    if more.get("measure") == "flops":
        assert total_flops(pruned.model) == pytest.approx(0.6 * total_flops(model), rel=0.05)


def test_heads_go(data):
    model = randomize(zoo.vit())
    pruned = secateur.prune(model, ratio=0.5, criterion="magnitude", pattern="head")
    assert pruned.widths["block_0_attention (heads)"][1] < 4


@pytest.mark.parametrize("how", [{"schedule": "iterative", "rounds": 2}, {"schedule": "gradual"}])
def test_schedules_train_what_is_left(how, data):
    model = network()
    if how["schedule"] == "gradual":
        how = {**how, "frequency": 2}
    pruned = secateur.prune(
        model, data, 0.5, criterion="magnitude", pattern="channel", epochs=2, validation=data, **how
    )
    whole = sum(group.channels for group in structure.analyse(model).groups)
    left = sum(group.channels for group in structure.analyse(pruned.model).groups)
    assert left == pytest.approx(whole / 2, abs=2)
    assert pruned.metrics["fine_tuned"]["accuracy"] >= pruned.metrics["dense"]["accuracy"]
    assert pruned.model.optimizer.learning_rate.numpy() == pytest.approx(0.01)
    for name, (before, after) in pruned.widths.items():
        assert model.get_layer(name).weights[0].shape[-1] == before
        assert pruned.model.get_layer(name).weights[0].shape[-1] == after


def test_zeros_of_before_stay_zero(data):
    sparse = secateur.prune(network(), ratio=0.5, criterion="magnitude").model
    sparse.compile("adam", sparse.loss)
    small = secateur.prune(sparse, data, 0.3, criterion="magnitude", pattern="channel", epochs=1)
    assert small.masks
    assert small.sparsity > 0.3
    kernels = {w.path: np.array(w) for w in small.model.weights}
    assert all(not kernels[path][~small.masks[path]].any() for path in small.masks)


def test_it_cannot_be_done_in_place(data):
    with pytest.raises(ValueError, match="leave in_place out"):
        secateur.prune(network(), data, 0.5, pattern="channel", in_place=True)
