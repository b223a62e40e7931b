"""Layers gone through one by one see what they would see in the whole model, at a linear cost."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.importance import layerwise, score
from secateur.importance.sparsegpt import sparsegpt
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import describe
from secateur.sparsity.methods import rewrite
from secateur.sparsity.select import select
from tests.secateur.importance.zoo import MODELS, Own, examples, randomize

L = keras.layers


KINDS = (
    *("conv2d", "separable2d", "lstm", "attention", "embedding", "tied", "spectral"),
    *("nested", "two_inputs", "time_distributed", "grouped_attention"),
)


@pytest.mark.parametrize("name", KINDS)
def test_the_layers_see_what_they_see_in_the_whole_model(name, monkeypatch):
    model = randomize(MODELS[name]())
    x, _ = examples(model, 20)
    streamed = sparsegpt(model, (x, None), ratio=0.5, batch_size=7)
    monkeypatch.setattr(layerwise, "HELD", 0)
    whole = sparsegpt(model, (x, None), ratio=0.5, batch_size=7)
    assert list(streamed.weights) == list(whole.weights)
    for path, value in whole.weights.items():
        np.testing.assert_allclose(streamed.weights[path], value, rtol=2e-3, atol=2e-4)


def test_layers_that_run_twice_are_seen_in_the_whole_model():
    x = keras.Input((6,))
    shared = L.Dense(6, "relu", name="shared")
    model = randomize(keras.Model(x, L.Dense(3, name="last")(shared(shared(x)))))
    data, _ = examples(model, 30)
    found = sparsegpt(model, (data, None), ratio=0.5)
    once = keras.ops.convert_to_numpy(shared(data))
    both = np.concatenate([data, once])
    alone = keras.Sequential([keras.Input((6,)), L.Dense(6, "relu", name="shared")])
    alone.set_weights(shared.get_weights())
    wanted = sparsegpt(alone, (both, None), ratio=0.5)
    np.testing.assert_allclose(
        found.weights["shared/kernel"], wanted.weights["shared/kernel"], rtol=1e-3, atol=1e-4
    )


def _deep(blocks):
    x = y = keras.Input((8,))
    for number in range(blocks):
        y = L.Add()([y, L.Dense(8, "relu", name=f"d{number}")(y)])
    return keras.Model(x, L.Dense(3, name="last")(y))


def test_a_layer_runs_as_often_in_a_deep_model_as_in_a_shallow_one(monkeypatch):
    times = {}
    for blocks in (2, 12):
        model = randomize(_deep(blocks))
        x, _ = examples(model, 16)
        calls = []
        for layer in model.layers:
            if isinstance(layer, L.Dense):
                monkeypatch.setattr(layer, "call", _counted(layer.call, calls))
        sparsegpt(model, (x, None), ratio=0.5, batch_size=8)
        times[blocks] = len(calls)
    assert (times[12] - times[2]) / 10 <= 8  # runs of each further layer


def _counted(function, calls):
    def call(*args, **kwargs):
        if len(args[0]) == 8:  # a proof runs three examples beside
            calls.append(1)
        return function(*args, **kwargs)

    return call


def test_wanda_by_hand_and_the_next_layer_sees_it():
    model = randomize(keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(3)]))
    x, _ = examples(model, 50)
    first, second = (layer.kernel.numpy() for layer in model.layers)
    bias = model.layers[0].bias.numpy()
    seen = []
    masks = rewrite(
        model,
        (x, None),
        TargetConfig(ratio=0.5, allocation="uniform"),
        method="wanda",
        progress=lambda *done: seen.append(done),
    )
    hidden = np.maximum(x @ model.layers[0].kernel.numpy() + bias, 0)
    for kernel, inputs, layer in ((first, x, 0), (second, hidden, 1)):
        saliency = np.abs(kernel) * np.linalg.norm(inputs, axis=0)[:, None]
        kept = saliency >= np.sort(saliency, axis=None)[kernel.size // 2]
        np.testing.assert_array_equal(model.layers[layer].kernel.numpy(), kernel * kept)
        np.testing.assert_array_equal(masks[f"{model.layers[layer].name}/kernel"], kept)
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("pattern", ["2:4", "1:3"])
@pytest.mark.parametrize("name", ["conv2d", "dense", "attention"])
def test_the_first_layer_is_pruned_as_its_scores_say(name, pattern):
    model = randomize(MODELS[name]())
    x, _ = examples(model, 20)
    target = TargetConfig(pattern=pattern)
    wanted = select(score(model, (x, None), "wanda"), target, layers=describe(model))
    first = prunable_weights(model)[0].path
    masks = rewrite(model, (x, None), target, method="wanda")
    np.testing.assert_array_equal(masks[first], wanted[first])


def test_a_layer_without_known_inputs_is_named():
    model = randomize(keras.Sequential([keras.Input((4,)), Own(name="mine"), L.Dense(3)]))
    x, _ = examples(model, 20)
    masks = rewrite(model, (x, None), TargetConfig(pattern="2:4"), method="wanda")
    assert any("Wanda does not know the inputs of mine" in notice for notice in masks.notices)
    assert list(masks) == [f"{model.layers[1].name}/kernel"]
