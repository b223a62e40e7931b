"""Wanda and SparseGPT against the algorithms of their papers, written out in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.importance import obs, score
from secateur.importance.outputs import smallest_of_outputs
from secateur.importance.sparsegpt import sparsegpt
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import describe
from secateur.sparsity.methods import rewrite
from secateur.sparsity.select import select
from tests.secateur.importance.zoo import examples, randomize

L = keras.layers


def _wanda(weight: np.ndarray, x: np.ndarray, ratio: float) -> np.ndarray:
    """Algorithm 1 of Sun et al. 2023: W is (outputs, inputs), X (rows, inputs); True = kept."""
    metric = np.abs(weight) * np.linalg.norm(x, axis=0)
    order = np.argsort(metric, axis=1, kind="stable")
    mask = np.ones(weight.shape, bool)
    np.put_along_axis(mask, order[:, : int(weight.shape[1] * ratio)], False, axis=1)
    return mask


def _sparsegpt(
    weight: np.ndarray, x: np.ndarray, ratio: float, block: int, damping: float
) -> tuple[np.ndarray, np.ndarray]:
    """Algorithm 1 of Frantar & Alistarh 2023, as its code has it: W is (outputs, inputs)."""
    weight, inputs = weight.copy(), weight.shape[1]
    hessian = x.T @ x
    dead = np.diag(hessian) == 0
    hessian[np.diag_indices(inputs)] += damping * np.diag(hessian).mean()
    weight[:, dead] = 0
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    kept = np.ones(weight.shape, bool)
    for first in range(0, inputs, block):
        last = min(first + block, inputs)
        part, errors = weight[:, first:last].copy(), np.zeros((len(weight), last - first))
        inverse = upper[first:last, first:last]
        saliency = part**2 / np.diag(inverse) ** 2
        limit = np.sort(saliency.ravel())[int(saliency.size * ratio)]
        gone = saliency < limit
        for i in range(last - first):
            error = np.where(gone[:, i], part[:, i], 0) / inverse[i, i]
            part[:, i:] -= np.outer(error, inverse[i, i:])
            part[gone[:, i], i] = 0
            errors[:, i] = error
        weight[:, first:last], kept[:, first:last] = part, ~gone
        weight[:, last:] -= errors @ upper[first:last, last:]
    return weight, kept


def _two_layers() -> tuple[keras.Model, np.ndarray]:
    model = randomize(keras.Sequential([keras.Input((12,)), L.Dense(8, "relu"), L.Dense(4)]))
    return model, examples(model, 40)[0]


def test_wanda_scores_and_auto_are_the_paper() -> None:
    model, x = _two_layers()
    target = TargetConfig(ratio=0.5).settled("wanda")
    masks = select(score(model, (x, None), "wanda"), target, layers=describe(model))
    hidden = model.layers[0](x).numpy()
    for weight, inputs in zip(prunable_weights(model), (x, hidden), strict=True):
        wanted = _wanda(weight.variable.numpy().T, inputs, 0.5)
        np.testing.assert_array_equal(masks[weight.path], wanted.T)


@pytest.mark.parametrize("allocation", ["auto", "output", "uniform"])
def test_wanda_as_a_method(allocation: str) -> None:
    """Each layer sees inputs of those pruned before it."""
    model, x = _two_layers()
    first, second = prunable_weights(model)
    before = [w.variable.numpy() for w in (first, second)]
    target = TargetConfig(ratio=0.5, allocation=allocation)
    masks = rewrite(model, (x, None), target, method="wanda")
    inputs = [x, model.layers[0](x).numpy()]
    for weight, old, seen in zip((first, second), before, inputs, strict=True):
        wanted = _wanda(old.T, seen, 0.5).T
        if allocation == "uniform":  # the layer as a whole
            flat = _wanda(
                np.abs(old * np.linalg.norm(seen, axis=0)[:, None]).reshape(1, -1),
                np.ones((1, old.size)),
                0.5,
            )
            assert not (wanted == flat.reshape(old.shape)).all()
            wanted = flat.reshape(old.shape)
        np.testing.assert_array_equal(masks[weight.path], wanted)
        np.testing.assert_array_equal(weight.variable.numpy(), old * wanted)


def test_wanda_of_a_convolution_compares_within_filters() -> None:
    model = randomize(keras.Sequential([keras.Input((6, 6, 4)), L.Conv2D(6, 2, groups=2)]))
    x, _ = examples(model, 10)
    scores = score(model, (x, None), "wanda")
    target = TargetConfig(ratio=0.5).settled("wanda")
    (mask,) = select(scores, target, layers=describe(model)).values()
    (values,) = scores.values()
    for unit in range(6):
        kept, one = mask[..., unit], values[..., unit]
        assert kept.sum() == 4
        assert one[kept].min() >= one[~kept].max()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_smallest_of_outputs(data: st.DataObject) -> None:
    inputs, outputs = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 6))
    seed = data.draw(st.integers(0, 1000))
    scores = np.random.default_rng(seed).integers(0, 4, (inputs, outputs)).astype("float32")
    counts = sorted(data.draw(st.tuples(*[st.integers(0, scores.size)] * 2)))
    few, many = (smallest_of_outputs(scores, count) for count in counts)
    for mask, count in ((few, counts[0]), (many, counts[1])):
        gone = (~mask).sum(0)
        assert gone.sum() == count
        assert gone.max() - gone.min() <= 1
        for unit in range(outputs):
            order = np.argsort(scores[:, unit], kind="stable")
            assert not mask[order[: gone[unit]], unit].any()
    assert not (many & ~few).any()  # nested
    np.testing.assert_array_equal(smallest_of_outputs(scores, counts[1], ~few), many)


@pytest.mark.parametrize(("inputs", "dead"), [(12, 0), (200, 0), (12, 3), (200, 30)])
def test_sparsegpt_is_the_paper(inputs: int, dead: int) -> None:
    rng = np.random.default_rng(inputs + dead)
    x = rng.normal(size=(3 * inputs, inputs)) @ rng.normal(size=(inputs, inputs))
    unseen = rng.permutation(inputs)[:dead]
    x[:, unseen] = 0
    matrix = rng.normal(size=(inputs, 6))
    new, kept = obs.reconstruct(matrix[None], (x.T @ x)[None], obs.Target(ratio=0.5), 0.01, inputs)
    wanted, mask = _sparsegpt(matrix.T, x, 0.5, obs.BLOCK, 0.01)
    seen = np.setdiff1d(np.arange(inputs), unseen)
    np.testing.assert_array_equal(kept[0][seen], mask.T[seen])
    np.testing.assert_allclose(new[0][seen], wanted.T[seen], rtol=1e-6, atol=1e-9)
    # What stays of an input that is always zero is left as it was, where the code sets it to zero.
    stays = kept[0][unseen]
    np.testing.assert_array_equal(new[0][unseen], matrix[unseen] * stays)


def test_inputs_that_are_always_zero_are_told() -> None:
    model, x = _two_layers()
    x[:, 5] = 0
    weight = prunable_weights(model)[0]
    for options in ({"ratio": 0.5}, {"pattern": "3:4"}, {"ratio": 0.0}):
        assert not sparsegpt(model, (x, None), only=[weight.path], **options).notices
    # 5 of 96 weights go: all are of the 8 that have no part in the outputs.
    few = sparsegpt(model, (x, None), ratio=0.05, only=[weight.path])
    assert (~few.masks[weight.path]).sum() == (~few.masks[weight.path][5]).sum() == 5
    assert "1 input of" in few.notices[0]
    stays = few.masks[weight.path][5]
    np.testing.assert_array_equal(
        few.weights[weight.path][5][stays], weight.variable.numpy()[5][stays]
    )
