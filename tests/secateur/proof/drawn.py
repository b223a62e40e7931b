"""Random models of every kind of layer, and what has to hold of each of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from secateur import structure
from secateur.graph import copied
from secateur.importance import score
from secateur.models.weights import prunable_weights
from secateur.proof.copies import prove_copy
from secateur.proof.files import prove_saved
from secateur.sparsity.hold import hold
from secateur.sparsity.masks import Masks
from tests.secateur.proof.kinds import COMPOUND, SHAPES, STEPS, WORDS
from tests.secateur.proof.scored import gradients_one_by_one
from tests.secateur.structure.reference import random_removal, zeroed_outputs

L = keras.layers
COUNT = 5
ALL = STEPS | COMPOUND
Program = list[tuple[str, int, int]]
"""Name of a step, which tensor it takes, and a number that picks its options."""


def programs(most: int = 5) -> st.SearchStrategy[Program]:
    """Strategy of programs of up to `most` steps."""
    number = st.integers(0, 20)
    step = st.tuples(st.sampled_from(sorted(ALL)), number, number)
    return st.lists(step, min_size=1, max_size=most)


def build(program: Program, seed: int = 0) -> keras.Model:
    """A compiled model of one to four inputs and of one or two outputs, with random weights."""
    keras.utils.set_random_seed(seed)
    pools: dict[str, list[Any]] = {}
    inputs: dict[str, Any] = {}
    for name, which, options in program:
        step = ALL[name]
        if step.takes not in pools:
            shape, dtype = SHAPES[step.takes]
            inputs[step.takes] = keras.Input(shape, dtype=dtype, name=step.takes)
            pools[step.takes] = [inputs[step.takes]]
        x = pools[step.takes][-1 - which % len(pools[step.takes])]
        pools.setdefault(step.gives, []).append(step.make(x, options))
    numbers = [_vector(form, pool[-1]) for form, pool in pools.items()]
    joined = numbers[0] if len(numbers) == 1 else L.Concatenate()(numbers)
    outputs = {"p": L.Dense(2, name="p")(L.Dense(4, activation="tanh")(joined))}
    if len(numbers) > 1:
        outputs["q"] = L.Dense(1, name="q")(numbers[-1])
    model = keras.Model(
        inputs if len(inputs) > 1 else next(iter(inputs.values())),
        outputs if len(outputs) > 1 else outputs["p"],
    )
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" in keras.backend.standardize_dtype(variable.dtype) and variable.trainable:
            value = np.asarray(variable)
            variable.assign(value + random.uniform(0.05, 0.2, value.shape).astype(value.dtype))
    model.compile(keras.optimizers.Adam(0.01), loss="mse", run_eagerly=True)
    return model


def _vector(form: str, x: Any) -> Any:
    if form in ("words", "text"):
        x, form = L.StringLookup(vocabulary=WORDS[:4])(x), "tokens"
    if form == "tokens":
        x = L.Embedding(12, 3)(x)
    if len(x.shape) > 2:
        x = L.Reshape((-1, x.shape[-1]))(x) if len(x.shape) > 3 else x
        return L.GlobalAveragePooling1D()(x)
    return x


def data(model: keras.Model, seed: int = 0, count: int = COUNT) -> tuple[Any, Any]:
    """Random inputs and targets as the model takes them."""
    random = np.random.default_rng(seed)

    def one(x: Any) -> Any:
        shape = (count, *x.shape[1:])
        if x.dtype == "string":
            return tf.constant(random.choice(WORDS, shape).tolist())
        if "int" in x.dtype:
            values = random.integers(0, 7, shape)
            values[:, 0] = random.integers(1, 7, count)
            return tf.constant(values.astype(x.dtype))
        if x.name == "picture":
            return tf.constant(random.uniform(0, 255, shape).astype("float32"))
        values = random.normal(size=shape)
        if len(shape) == 3:
            values[1::2, shape[1] // 2 :] = 0  # what a Masking masks
        return tf.constant(values.astype("float32"))

    given = {x.name: one(x) for x in model.inputs}
    targets = {
        name: random.normal(size=(count, size)).astype("float32")
        for name, size in (("p", 2), ("q", 1))
        if name in model.output_names
    }
    single = len(model.inputs) == 1
    return (next(iter(given.values())) if single else given), (
        targets if len(targets) > 1 else targets["p"]
    )


def outputs(model: keras.Model, x: Any) -> list[np.ndarray]:
    return [np.asarray(y) for y in keras.tree.flatten(model(x, training=False))]


def check_copy(model: keras.Model, x: Any) -> None:
    """The copy gives the same to the bit, and nothing that is done to it comes back."""
    before = outputs(model, x)
    copy = copied(model)
    check = prove_copy(model, copy, (x, None))
    assert check.difference <= check.tolerance
    assert check.examples
    for a, b in zip(before, outputs(copy, x), strict=True):
        np.testing.assert_array_equal(a, b)
    for variable in copy.weights:
        variable.assign(keras.ops.zeros_like(variable))
    for a, b in zip(before, outputs(model, x), strict=True):
        np.testing.assert_array_equal(a, b)


def check_cut(model: keras.Model, x: Any, seed: int) -> None:
    """The cut model is the original with zeros in all that reads what was removed."""
    graph = structure.analyse(model)
    if not graph.groups:
        return
    removed = random_removal(graph, 0.5, seed)
    small = structure.remove(model, structure.Removal(graph, removed))
    for a, b in zip(zeroed_outputs(graph, removed, x), outputs(small, x), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-4 * max(1e-3, np.abs(a).max()))


def check_scores(model: keras.Model, x: Any, y: Any) -> None:
    """|gradient| and its square, added up over single examples."""
    rows = gradients_one_by_one(model, x, y, None, COUNT)
    largest = max((np.abs(row).max(initial=0.0) for row in rows.values()), default=0.0)
    value = {w.path: np.asarray(w.variable, np.float64) for w in prunable_weights(model)}
    for criterion, wanted in (
        ("gradient", {p: np.abs(row).sum(0) for p, row in rows.items()}),
        ("fisher", {p: value[p] ** 2 * (row**2).sum(0) for p, row in rows.items()}),
    ):
        found = score(model, (x, y), criterion)
        assert set(found) == set(wanted)
        added = [notice for notice in found.notices if "losses of their own" in notice]
        assert bool(added) == bool(model.losses)
        for path, array in wanted.items():
            floor = 1e-6 * largest if criterion == "gradient" else (1e-6 * largest) ** 2
            scale = max(np.abs(array).max(), floor)
            assert np.abs(found[path] - array).max() <= 2e-3 * scale, (criterion, path)


def check_masks(model: keras.Model, x: Any, y: Any, seed: int) -> None:
    """Zeros stay through training, a file, and the removal of what they empty."""
    random = np.random.default_rng(seed)
    masks = Masks(
        {w.path: random.random(tuple(w.variable.shape)) < 0.5 for w in prunable_weights(model)}
    )
    with hold(model, masks):
        for _ in range(2):
            model.train_on_batch(x, y)
    for weight in prunable_weights(model):
        assert not np.asarray(weight.variable)[~masks[weight.path]].any(), weight.path
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with keras.saving.custom_object_scope({"<lambda>": None}):
            keras.config.enable_unsafe_deserialization()
            prove_saved(model, path, (x, None), masks)
    small = structure.shrink(model, masks)
    for a, b in zip(outputs(model, x), outputs(small, x), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-4 * max(1e-3, np.abs(a).max()))


def check(program: Program, seed: int = 0) -> None:
    """All of it."""
    model = build(program, seed)
    x, y = data(model, seed)
    check_copy(model, x)
    check_cut(model, x, seed)
    check_scores(model, x, y)
    check_masks(model, x, y, seed)
