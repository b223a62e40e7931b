"""The proof that masks hold, and the faults that it finds at run time."""

import importlib

import keras
import numpy as np
import pytest

import secateur
from secateur.proof import ProofError
from secateur.proof.masks import prove_masks

L = keras.layers
holding = importlib.import_module("secateur.sparsity.hold")  # where a function has its name
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), L.Dense(8, "relu", name="a"), L.Dense(3, name="b")]
    built = keras.Sequential(layers)
    built.compile(keras.optimizers.Adam(0.05), LOSS)
    return built


@pytest.fixture
def data():
    random = np.random.default_rng(1)
    return random.standard_normal((64, 6)).astype("float32"), random.integers(0, 3, 64)


def test_it_counts_what_is_removed_and_names_what_came_back(model):
    kernel = model.get_layer("a").kernel
    mask = np.ones((6, 8), bool)
    mask[0, :3] = False
    with pytest.raises(ProofError, match=r"3 of the 3 weights .* remove from 'a/kernel' .* now:"):
        prove_masks(model, {"a/kernel": mask}, "now")
    value = np.array(kernel) * mask
    kernel.assign(value)
    check = prove_masks(model, {"a/kernel": mask}, "now")
    assert check.statement == "The 3 weights that the masks remove are exactly zero now."
    assert (check.subject, check.examples, check.difference) == ("masks", 0, 0)
    for smallest in (1e-38, np.nan):
        value[0, 1] = smallest
        kernel.assign(value)
        with pytest.raises(ProofError, match="1 of the 3 weights"):
            prove_masks(model, {"a/kernel": mask}, "now")


def test_masks_of_another_model_prove_nothing(model):
    for path, shape in (("c/kernel", (6, 8)), ("a/kernel", (8, 6))):
        with pytest.raises(ProofError, match=path):
            prove_masks(model, {path: np.ones(shape, bool)}, "now")


@pytest.mark.parametrize(
    "schedule",
    [
        {"schedule": "one_shot"},
        {"schedule": "iterative", "rounds": 2},
        {"schedule": "gradual", "frequency": 1},
    ],
)
def test_prune_proves_it_and_says_so(model, data, schedule):
    pruned = secateur.prune(model, data, 0.5, criterion="magnitude", epochs=2, **schedule)
    (check,) = [check for check in pruned.checks if check.subject == "masks"]
    kernels = 6 * 8 + 8 * 3
    assert check.statement.startswith(f"The {kernels // 2} weights")
    assert str(pruned).splitlines()[-1].startswith("Checked: ")


def test_fine_tuning_that_revives_weights_is_reported(model, data, monkeypatch):
    """The constraint does nothing, as when the step that trains was traced before."""
    monkeypatch.setattr(holding._MaskConstraint, "__call__", lambda self, value: value)
    with pytest.raises(ProofError, match="'a/kernel' are not zero while the masks were held"):
        secateur.prune(model, data, 0.5, criterion="magnitude", epochs=1)


def test_traces_that_are_not_forgotten_are_reported(model, data, monkeypatch):
    model.fit(*data, verbose=0)
    monkeypatch.setattr(holding, "_forget_traces", lambda models: None)
    with pytest.raises(ProofError, match="'a/kernel' are not zero"):
        secateur.prune(model, data, 0.5, criterion="magnitude", epochs=1, in_place=True)
