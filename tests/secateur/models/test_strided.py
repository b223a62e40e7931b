"""The gradient of strided 1x1 convolutions: right with oneDNN, whoever asks for it and how."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.onednn import run
from benchmarks.onednn_cases import Case
from secateur.models.strided import failing, notices
from secateur.models.weights import weight_paths
from secateur.sparsity.config import TargetConfig
from secateur.store import source_digest
from secateur.structure.pruning import remove_least

ROOT = Path(__file__).resolve().parents[3]

# A few cases of 4 and 8 channels: each writes past its memory without the cure, with AVX2 or more.
FAILING = [
    Case("conv", 32, (32, 32), 4, 8, (1, 1), (2, 2), (1, 1), "SAME", "float32"),
    Case("transposed", 16, (52, 32), 31, 4, (1, 1), (2, 2), (1, 1), "SAME", "float32"),
    Case("conv", 1, (8, 32), 8, 14, (1, 1), (2, 2), (1, 1), "VALID", "float32"),
]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_onednn_is_right_with_the_cure(threads):
    for isa in ("", "AVX2"):
        assert run(FAILING, isa=isa, threads=threads, cured=True) == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="oneDNN's kernels for x86")
def test_onednn_is_wrong_without_the_cure():
    """Once it is right by itself the cure has no reason any more."""
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the kernel in question needs AVX2")
    found = run(FAILING[:1], isa="AVX2", cured=False)
    assert list(found) == [0]


def _by_definition(kind, x, w, change, stride):
    """Gradients by input and kernel, from the sums that a 1x1 convolution is."""
    big, small = (x, change) if kind == "conv" else (change, x)
    seen = big[:, ::stride, ::stride]
    by_kernel = np.einsum("nijc,nijf->cf", seen, small)[None, None]
    if kind == "transposed":
        return np.einsum("nijc,cf->nijf", seen, w[0, 0]), by_kernel
    by_input = np.zeros_like(x)
    by_input[:, ::stride, ::stride] = np.einsum("nijf,cf->nijc", change, w[0, 0])
    return by_input, by_kernel


@pytest.mark.parametrize("way", ["eager", "graph", "xla"])
@pytest.mark.parametrize("kind", ["conv", "transposed"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("stride", "sizes"), [(2, (9, 8)), (3, (7, 12))])
def test_gradients_are_those_of_the_definition(way, kind, padding, stride, sizes):
    rng = np.random.default_rng(stride)
    small = tuple(-(-size // stride) for size in sizes)
    shapes = [(3, *sizes, 5), (1, 1, 5, 4), (3, *small, 4)]  # w: of the convolution, read to given
    big, w, little = (rng.normal(size=shape) for shape in shapes)
    x, change = (big, little) if kind == "conv" else (little, big)

    def step(x, w, change):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            if kind == "conv":
                y = tf.nn.conv2d(x, w, stride, padding)
            else:
                y = tf.nn.conv2d_transpose(x, w, change.shape, stride, padding)
        return tape.gradient(y, [x, w], output_gradients=change)

    function = step if way == "eager" else tf.function(step, jit_compile=way == "xla")
    given = [tf.constant(value, tf.float32) for value in (x, w, change)]
    exact = _by_definition(kind, x, w, change, stride)
    for found, wanted in zip(function(*given), exact, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision(precision):
    x, w = tf.random.normal((2, 8, 8, 5)), tf.random.normal((1, 1, 5, 3))
    with tf.GradientTape() as tape:
        tape.watch(w)
        y = tf.nn.conv2d(tf.cast(x, precision), tf.cast(w, precision), 2, "SAME")
        y = tf.reduce_sum(tf.cast(y, tf.float32))
    wanted = np.broadcast_to(np.sum(x[:, ::2, ::2], (0, 1, 2))[None, None, :, None], w.shape)
    np.testing.assert_allclose(tape.gradient(y, w), wanted, atol=0.5)


def test_what_is_not_a_number_is_not_hidden():
    x = tf.fill((1, 4, 4, 3), float("nan"))
    w = tf.ones((1, 1, 3, 2))
    with tf.GradientTape() as tape:
        tape.watch(w)
        y = tf.nn.conv2d(x, w, 2, "SAME")
    assert np.isnan(tape.gradient(y, w)).all()


def test_second_derivatives():
    x, w = tf.random.normal((2, 6, 6, 3)), tf.random.normal((1, 1, 3, 2))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(w)
            y = tf.reduce_sum(tf.nn.conv2d(x, w, 2, "SAME") ** 2) / 2
        squares = tf.reduce_sum(inner.gradient(y, w) * tf.ones_like(w))
    seen = x[:, ::2, ::2]  # d/dx sum(seen^T seen w): both factors are x
    columns = tf.reduce_sum(w[0, 0], 1)
    wanted = tf.einsum("nijc,c->nij", seen, columns)[..., None] * tf.ones(3)
    wanted += tf.reduce_sum(seen, -1)[..., None] * columns
    found = outer.gradient(squares, x)[:, ::2, ::2]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_what_onednn_gets_right_is_left_to_tensorflow():
    assert failing((1, 1), (2, 2), 15)
    assert failing((1, 1), (1, 3), None)
    assert not failing((1, 1), (2, 2), 16)
    assert not failing((1, 1), (1, 1), 4)
    assert not failing((1, 2), (2, 2), 4)


def test_a_cut_model_tells_what_it_needs_elsewhere():
    image = keras.Input((8, 8, 20))
    x = keras.layers.Conv2D(20, 1, strides=2, name="short")(image)
    x = keras.layers.Conv2D(24, 1, strides=2, groups=4, name="grouped")(x)
    x = keras.layers.Conv2D(8, 1, name="flat")(x)
    x = keras.layers.Conv2DTranspose(12, 1, strides=2, name="up")(x)
    x = keras.layers.Conv2D(40, 1, strides=2, name="wide_again")(keras.layers.Conv2D(16, 1)(x))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    (notice,) = notices(model.layers)
    assert "fewer than 16 channels (up):" in notice
    assert notices([layer for layer in model.layers if layer.name != "up"]) == []
    scores = {path: np.abs(v.numpy()) for path, v in weight_paths(model)}
    target = TargetConfig(pattern="channel", ratio=0.5, measure="parameters", include=("short",))
    assert notice in remove_least(model, scores, target).notices


def test_whatever_takes_gradients_stands_on_the_cure():
    takes = re.compile(r"GradientTape\(|\.fit\(|train_on_batch\(")
    files = [file for file in (ROOT / "secateur").rglob("*.py") if takes.search(file.read_text())]
    assert len(files) > 10
    for file in files:
        if file.name == "loop.py":
            continue  # `engine.py` alone calls it
        closure = {Path(path).name for path in source_digest(file, ROOT).files}
        assert "strided.py" in closure, file
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0", "the tests run with oneDNN"
