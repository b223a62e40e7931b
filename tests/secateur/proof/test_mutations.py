"""With each fault put back, the proof at run time reports it: no test has to foresee it."""

import keras
import numpy as np
import pytest
from keras import layers

import secateur
from secateur.graph import building, compiling, copying, state
from secateur.importance import score
from secateur.proof import ProofError
from secateur.proof.copies import prove_copy
from secateur.proof.files import prove_saved
from secateur.sparsity.config import TargetConfig
from secateur.structure import cutting, pruning
from tests.secateur.graph.zoo import Towers, make


def lost_adapted_state(monkeypatch):
    monkeypatch.setattr(state, "_finish", lambda old, new: None)
    return make("adapted_nested")


def lost_vocabulary(monkeypatch):
    monkeypatch.setattr(state, "_move_table", lambda old, new: None)
    return make("adapted_text")


def permuted_weights(monkeypatch):
    def by_place(pairs, value=None, changed=()):
        for (old, _), (_, new) in zip(
            pairs.variables.values(), reversed(pairs.variables.values()), strict=True
        ):
            if old.shape == new.shape:
                new.assign(old)

    monkeypatch.setattr(copying, "move_state", by_place)
    return Towers()


def lost_seed(monkeypatch):
    moved = state.move_state

    def without(pairs, *rest, **options):
        for key in [k for k, (old, _) in pairs.variables.items() if "seed" in old.name]:
            del pairs.variables[key]
        moved(pairs, *rest, **options)

    monkeypatch.setattr(copying, "move_state", without)
    return keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dropout(0.5, seed=None)])


def lost_attribute(monkeypatch):
    monkeypatch.setattr(state, "move_attributes", lambda old, new: None)
    return make("subclassed")


def lost_function(monkeypatch):
    right = building.Builder._new

    def other(self, op):
        new = right(self, op)
        if isinstance(new, layers.Dense):
            new.activation = keras.activations.linear
        return new

    monkeypatch.setattr(building.Builder, "_new", other)
    monkeypatch.setattr(state, "types", type("No", (), {"FunctionType": ()}))
    i = keras.Input((4,))
    return keras.Model(i, layers.Dense(3, activation=lambda x: x * 1.25)(i))


def lost_class(monkeypatch):
    monkeypatch.setattr(building, "constructor", lambda model: keras.Model)
    monkeypatch.setattr(copying, "_plain", lambda model: keras.Model)
    monkeypatch.setattr(copying, "constructor", lambda model: keras.Model)

    class Mine(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    i = keras.Input((4,))
    return Mine(i, layers.Dense(3)(i))


def shared_variables(monkeypatch):
    monkeypatch.setattr(copying.Copier, "operation", lambda self, op: self._keep(op))
    monkeypatch.setattr(copying.Copier, "_keep", lambda self, op: op, raising=False)
    monkeypatch.setattr(copying.Pairs, "check", lambda *rest, **options: None)
    return make("lora")


def lost_exclusions(monkeypatch):
    monkeypatch.setattr(compiling, "_copy_exclusions", lambda *given: None)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    optimizer = keras.optimizers.AdamW(0.1)
    optimizer.exclude_from_weight_decay([model.layers[0].bias])
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize(
    "fault",
    [
        *(lost_adapted_state, lost_vocabulary, permuted_weights, lost_seed, lost_attribute),
        *(lost_function, lost_class, shared_variables, lost_exclusions),
    ],
)
def test_a_fault_of_the_copy_stops_the_run(fault, monkeypatch):
    model = fault(monkeypatch)
    with pytest.raises(ProofError, match="in_place=True") as stopped:
        secateur.prune(model, ratio=0.0, criterion="magnitude")
    assert "\n" not in str(stopped.value)


def convolutional():
    keras.utils.set_random_seed(2)
    i = keras.Input((6, 6, 2))
    z = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, name="conv")(i))
    z = layers.Flatten()(layers.ReLU()(z))
    model = keras.Model(i, layers.Dense(3)(layers.Dense(5, activation="sigmoid")(z)))
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.uniform(0.2, 1.0, variable.shape) * random.choice([-1, 1]))
    model.get_layer("norm").moving_variance.assign(random.uniform(0.5, 2, 8))
    return model


def wrong_channels_kept(monkeypatch):
    right = cutting.slicer

    def shifted(graph, variable, keep):
        take = right(graph, variable, keep)
        if variable.path.endswith("conv/kernel"):
            return lambda value: np.roll(take(np.roll(value, 1, -1)), 0, -1)
        return take

    monkeypatch.setattr(cutting, "slicer", shifted)


def vector_of_batchnorm_not_cut(monkeypatch):
    right = cutting.slicer

    def first_ones(graph, variable, keep):
        take = right(graph, variable, keep)
        if variable.path.endswith("norm/moving_mean"):
            return lambda value: value[: len(take(value))]
        return take

    monkeypatch.setattr(cutting, "slicer", first_ones)


def wrong_interleave_of_flatten(monkeypatch):
    """As with channels first: c·K + k in place of k·C + c."""
    right = cutting.slicer

    def other(graph, variable, keep):
        take = right(graph, variable, keep)
        if tuple(variable.shape) == (128, 5):
            rows = np.arange(128).reshape(16, 8).T.reshape(-1)
            return lambda value: take(value[rows])
        return take

    monkeypatch.setattr(cutting, "slicer", other)


def state_not_moved(monkeypatch):
    monkeypatch.setattr(cutting, "move_state", lambda *given, **options: None)


@pytest.mark.parametrize(
    "fault",
    [
        *(wrong_channels_kept, vector_of_batchnorm_not_cut, wrong_interleave_of_flatten),
        state_not_moved,
    ],
)
def test_a_fault_of_the_cut_stops_the_run(fault, monkeypatch):
    model = convolutional()
    scores = score(model, criterion="magnitude")
    target = TargetConfig(pattern="channel", ratio=0.5)
    (check,) = pruning.remove_least(model, scores, target).checks
    assert (check.subject, check.examples) == ("cut", 4)
    assert check.difference <= check.tolerance
    fault(monkeypatch)
    with pytest.raises(ProofError, match=r"from the layer|in its outputs") as stopped:
        pruning.remove_least(model, scores, target)
    assert "\n" not in str(stopped.value)


def test_layers_that_go_are_proved_too(monkeypatch):
    i = keras.Input((6,))
    z = layers.Dense(6, activation="relu", name="a")(i)
    for name in "bc":
        z = layers.Add()([z, layers.Dense(6, activation="tanh", name=name)(z)])
    model = keras.Model(i, layers.Dense(2)(z))
    scores = score(model, criterion="magnitude")
    target = TargetConfig(pattern="layer", ratio=0.5, rank_layers="scores")
    (check,) = pruning.remove_least(model, scores, target).checks
    assert check.difference <= check.tolerance
    state_not_moved(monkeypatch)
    with pytest.raises(ProofError):
        pruning.remove_least(model, scores, target)


@keras.saving.register_keras_serializable("mutations")
class Forgetful(layers.Layer):
    """Keeps what it was adapted to in an attribute that it does not save."""

    def __init__(self, **options):
        super().__init__(**options)
        self.shift = 0.0

    def call(self, x):
        return x + self.shift


def test_a_file_that_forgets_is_reported(tmp_path):
    forgetful = Forgetful(name="forgetful")
    forgetful.shift = 3.0
    i = keras.Input((4,))
    model = keras.Model(i, layers.Dense(2)(forgetful(i)))
    model.save(tmp_path / "m.keras")
    with pytest.raises(ProofError, match="from the layer 'forgetful' on"):
        prove_saved(model, tmp_path / "m.keras")
    forgetful.shift = 0.0
    (check,) = prove_saved(model, tmp_path / "m.keras")
    assert (check.subject, check.difference, check.examples) == ("file", 0, 4)


def test_the_layer_is_named():
    model = make("adapted_nested")
    copy = copying.copied(model)
    inner = copy.layers[2]
    norm = next(x for x in inner.layers if isinstance(x, layers.Normalization))
    norm.mean = norm.mean * 0
    with pytest.raises(ProofError, match=norm.name):
        prove_copy(model, copy)
