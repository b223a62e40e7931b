"""Every criterion, pattern, allocation and schedule combines, or is refused with the reason."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from secateur.importance.names import BUILT_IN
from secateur.importance.scoring import score
from secateur.models.weights import prunable_weights
from secateur.pruning import prune
from secateur.sparsity.combine import check_combination
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import describe
from secateur.sparsity.methods import rewrite
from secateur.sparsity.select import select

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LAYERS = {"c": 0.5, "d*": 0.25}
PATTERNS = ("weight", "channel", "2:4", "1:3", "1x4", "3x1", "2x2")
ALLOCATIONS = ("global", "uniform", "erk", "lamp", "layers")
AMOUNTS = {"ratio": 0.5, "threshold": 1e-3, "quantile": 0.5}


@pytest.fixture(scope="module")
def model():
    """Every weight can be scored by every criterion: each layer has a normalisation behind it."""
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 6, 4))
    y = L.ReLU()(L.BatchNormalization(name="n1")(L.Conv2D(8, 3, name="c")(x)))
    y = L.Flatten()(L.MaxPooling2D(2)(y))
    y = L.ReLU()(L.BatchNormalization(name="n2")(L.Dense(8, name="d1")(y)))
    model = keras.Model(x, L.BatchNormalization(name="n3")(L.Dense(4, name="d2")(y)), name="m")
    random = np.random.default_rng(0)
    for name in ("n1", "n2", "n3"):
        model.get_layer(name).gamma.assign(
            random.uniform(0.5, 2, model.get_layer(name).gamma.shape)
        )
    model.compile("adam", LOSS, jit_compile=False)
    return model


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(1)
    return random.standard_normal((12, 6, 6, 4)).astype("float32"), random.integers(0, 4, 12)


@pytest.fixture(scope="module")
def scores(model, data):
    return {
        name: score(model, data, name) for name, known in BUILT_IN.items() if known.kind != "method"
    }


def fields_of(pattern, allocation, amount):
    fields = {"pattern": pattern, "allocation": LAYERS if allocation == "layers" else allocation}
    if amount != "none":
        fields[amount] = AMOUNTS[amount]
    return fields


def refusal_expected(criterion, pattern, allocation, amount):
    """The reasons in one place: an independent statement of what goes together."""
    kind = BUILT_IN[criterion].kind
    n_of_m = ":" in pattern
    says_how_much = (amount != "none") + (allocation == "layers") + n_of_m
    if says_how_much != 1:
        return True
    if amount == "threshold" and allocation != "global":
        return True
    if amount == "quantile" and allocation not in ("global", "uniform"):
        return True
    if n_of_m and (allocation in ("erk", "lamp") or kind == "unit"):
        return True
    if criterion == "movement" and amount == "threshold":
        return True
    if kind == "method":
        units = pattern == "channel" or "x" in pattern
        unshared = amount == "ratio" and allocation in ("global", "lamp")
        return units or unshared or amount in ("threshold", "quantile")
    return False


@pytest.mark.parametrize("criterion", BUILT_IN)
def test_every_pattern_allocation_and_amount(criterion, model, data, scores):
    layouts, kind, done = describe(model), BUILT_IN[criterion].kind, 0
    before = {w.path: w.variable.numpy() for w in prunable_weights(model)}
    for pattern, allocation, amount in itertools.product(PATTERNS, ALLOCATIONS, (*AMOUNTS, "none")):
        combination = (criterion, pattern, allocation, amount)
        expected = refusal_expected(*combination)
        try:
            target = TargetConfig(**fields_of(pattern, allocation, amount))
            check_combination(criterion, target)
        except ValidationError as error:
            assert expected, combination
            assert len(error.errors()[0]["msg"]) > 40  # noqa: PT017
            continue
        except ValueError as error:
            assert expected, combination
            assert criterion in str(error)  # noqa: PT017
            assert any(hint in str(error) for hint in ("; use", "; leave"))  # noqa: PT017
            continue
        assert not expected, combination
        if kind == "method":
            masks = rewrite(model, data, target)
            for weight in prunable_weights(model):
                assert not weight.variable.numpy()[~masks[weight.path]].any()
                weight.variable.assign(before[weight.path])
        else:
            masks = select(scores[criterion], target, layers=layouts)
        check_masks(masks, layouts, target, combination)
        done += 1
    assert done == {"unit": 40, "weight": 44, "method": 7}[kind] - 5 * (criterion == "movement")


def check_masks(masks, layouts, target, combination):
    size = masks.size()
    assert set(masks) == set(layouts), combination
    assert all(masks.kept(path) >= 1 for path in masks), combination
    if target.ratio is not None and target.pattern == "weight":
        assert size - masks.kept() == round(0.5 * size), combination
    elif target.ratio is not None:
        assert abs(masks.sparsity() - 0.5) < 0.07, combination
    elif isinstance(target.allocation, dict):
        for path in masks:
            ratio = LAYERS["c" if path.startswith("c") else "d*"]
            assert abs(masks.sparsity(path) - ratio) < 0.13, combination
    elif target.n_of_m:
        n, m = target.n_of_m
        mask = masks["d1/kernel"]
        for start in range(0, len(mask), m):
            assert (mask[start : start + m].sum(0) == min(n, len(mask) - start)).all(), combination


@pytest.mark.parametrize("schedule", ["one_shot", "iterative", "gradual"])
@pytest.mark.parametrize("criterion", ["gradient", "movement", "sparsegpt", "activation", "fpgm"])
def test_schedules(criterion, schedule, model, data):
    pattern = "channel" if BUILT_IN[criterion].kind == "unit" else "weight"
    call = {
        "criterion": criterion,
        "pattern": pattern,
        "allocation": "uniform",
        "schedule": schedule,
        "rounds": 2,
        "frequency": 1,
        "batch_size": 3,
        "epochs": 1,
    }
    if criterion == "sparsegpt" and schedule == "gradual":
        with pytest.raises(ValueError, match="rewrites the weights that stay"):
            prune(model, data, 0.5, **call)
        return
    pruned = prune(model, data, 0.5, **call)
    if pattern == "channel":  # gone, and with them what reads and makes them
        assert pruned.widths == {"c": (8, 4), "d1": (8, 4), "d2": (4, 4)}
        assert pruned.sparsity > 0.5
        return
    assert pruned.sparsity == 0.5
    for weight in prunable_weights(pruned.model):
        assert not weight.variable.numpy()[~pruned.masks[weight.path]].any()


def test_pools_and_criteria_of_others():
    with pytest.raises(ValueError, match="pool l2 gives all weights of a unit the same score"):
        check_combination("magnitude", TargetConfig(pattern="2:4"), pool="l2")
    with pytest.raises(ValueError, match="leave pool out"):
        check_combination("sparsegpt", TargetConfig(pattern="2:4"), pool="l2")
    check_combination("of_another_package", TargetConfig(pattern="2:4"))


def test_the_check_imports_no_tensorflow():
    import subprocess
    import sys

    code = (
        "import sys; from secateur.sparsity.combine import check_combination\n"
        "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
