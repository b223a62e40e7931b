"""Generated convolutions for `benchmarks.onednn`: what is computed, and a slow reference of it.

    python -m benchmarks.onednn_cases < cases.json

computes each case as a step of training does, with all gradients, and compares it with the sums of
its definition in float64. A line is printed before each case, and one after each that is wrong, so
that who started this process knows what it died of.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from dataclasses import asdict, dataclass

import numpy as np

LARGEST = 1_500_000
"""Elements of an input: a case takes milliseconds."""
TOLERANCE = {"float32": 1e-3, "float16": 2e-2, "bfloat16": 6e-2}
CALLS = 4  # what lies behind the written memory differs between calls


@dataclass(frozen=True)
class Case:
    """A convolution, channels last; `space` is what slides, `kernel` has its shape."""

    op: str
    batch: int
    space: tuple[int, ...]
    channels: int
    filters: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    dtype: str

    def narrow(self) -> bool:
        """Whether it is of the kind that is known to fail: strided, 1x1, a few channels."""
        read = self.filters if self.op == "transposed" else self.channels
        flat = self.op != "dense" and len(self.space) < 3 and self.op != "depthwise"
        return flat and set(self.kernel) == {1} and set(self.strides) != {1} and read < 16


OPS = ("conv", "fused", "depthwise", "transposed", "dense")


def drawn(rng: random.Random, dtype: str, op: str | None = None) -> Case:
    """A case from the range that is searched."""
    op = op or rng.choice((*OPS, "conv", "conv"))
    rank = 2 if op in ("depthwise", "transposed", "fused") else rng.choice((1, 2, 2, 2, 3))
    kernel = tuple(rng.choice((1, 2, 3)) for _ in range(rank))
    if rng.random() < 0.4:
        kernel = (rng.choice((1, 1, 2, 3)),) * rank
    strides = (rng.choice((1, 2, 2, 3)),) * rank  # TensorFlow wants them equal in some operations
    plain = op in ("transposed", "dense") or set(strides) != {1}
    dilations = (1,) * rank if plain else (rng.choice((1, 1, 2)),) * rank
    largest = {1: 300, 2: 66, 3: 14}[rank]
    case = Case(
        op,
        rng.choice((1, 2, 3, 8, 16, 32, 64)),
        tuple(rng.randint(8, largest) for _ in range(rank)),
        rng.randint(1, 40),
        rng.randint(1, 40),
        kernel,
        strides,
        dilations,
        rng.choice(("SAME", "VALID")),
        dtype,
    )
    while case.batch > 1 and case.batch * np.prod(case.space) * max(case.channels, 8) > LARGEST:
        case = Case(**{**asdict(case), "batch": case.batch // 2})
    return case


def narrow(rng: random.Random, dtype: str) -> Case:
    """A case of the known kind and beside it: strided and 1x1, of any number of channels."""
    case = drawn(rng, dtype, rng.choice(("conv", "conv", "transposed")))
    rank = len(case.space)
    strides = (rng.choice((2, 3)),) * rank
    changed = {"kernel": (1,) * rank, "strides": strides, "dilations": (1,) * rank}
    return Case(**{**asdict(case), **changed})


def padded(case: Case) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """The shape of what comes out of a convolution over `space`, and the zeros at both ends."""
    out, pads = [], []
    for size, k, s, d in zip(case.space, case.kernel, case.strides, case.dilations, strict=True):
        reach = (k - 1) * d + 1
        if case.padding == "SAME":
            out.append(-(-size // s))
            total = max((out[-1] - 1) * s + reach - size, 0)
            pads.append((total // 2, total - total // 2))
        else:
            out.append((size - reach) // s + 1)
            pads.append((0, 0))
    return tuple(out), pads


def reference(case: Case, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    """Output, and gradients by `x`, `w` and the bias where `g` is that of the output: plain sums.

    `x` (batch, *space, channels), `w` (*kernel, channels, filters), or (*kernel, channels, 1) of a
    depthwise one, all float64.
    """
    if case.op == "dense":
        flat, grad = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
        return [x @ w, g @ w.T, flat.T @ grad, grad.sum(0)]
    if case.op == "transposed":  # the transpose of a convolution from its output to its input
        forward, by_input, by_filter = sums(case, g, w, x)
        return [by_input, forward, by_filter, g.sum(tuple(range(g.ndim - 1)))]
    return [*sums(case, x, w, g), g.sum(tuple(range(g.ndim - 1)))]


def sums(case: Case, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    """Output and the gradients by input and filter of a convolution."""
    out, pads = padded(case)
    full = np.pad(x, [(0, 0), *pads, (0, 0)])
    y = np.zeros((len(x), *out, g.shape[-1]))
    by_full, by_w = np.zeros_like(full), np.zeros_like(w)
    rows = tuple(range(x.ndim - 1))
    for at in itertools.product(*map(range, case.kernel)):
        places = zip(at, out, case.strides, case.dilations, strict=True)
        window = (
            slice(None),
            *(slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in places),
        )
        seen = full[window]
        if case.op == "depthwise":
            y += seen * w[at][:, 0]
            by_full[window] += g * w[at][:, 0]
            by_w[at] = (seen * g).sum(rows)[:, None]
        else:
            y += seen @ w[at]
            by_full[window] += g @ w[at].T
            by_w[at] = np.tensordot(seen, g, (rows, rows))
    inner = tuple(slice(a, n + a) for (a, _), n in zip(pads, x.shape[1:-1], strict=True))
    return [y, by_full[(slice(None), *inner)], by_w]


def computed(case: Case, x, w, b, g) -> list:
    """The same in TensorFlow, traced as a step of training is; `fused` gives the output alone."""
    import tensorflow as tf

    def forward(x, w, b):
        options = {"strides": case.strides, "padding": case.padding}
        if case.op == "dense":
            return tf.matmul(tf.reshape(x, (-1, x.shape[-1])), w) + b
        if case.op == "depthwise":
            strides = (1, *case.strides, 1)
            y = tf.nn.depthwise_conv2d(x, w, strides, case.padding, dilations=case.dilations)
        elif case.op == "transposed":
            y = tf.nn.conv_transpose(x, w, g.shape, **options)
        else:
            y = tf.nn.convolution(x, w, dilations=case.dilations, **options)
        y = tf.nn.bias_add(y, b)
        return tf.nn.relu(y) if case.op == "fused" else y

    @tf.function
    def step(x, w, b, g):
        if case.op == "fused":
            return [forward(x, w, b)]
        with tf.GradientTape() as tape:
            tape.watch([x, w, b])
            y = forward(x, w, b)
        return [y, *tape.gradient(y, [x, w, b], output_gradients=tf.reshape(g, tf.shape(y)))]

    return [step(x, w, b, g) for _ in range(CALLS)]


def worst(case: Case, seed: int) -> tuple[float, str]:
    """The largest error of what is computed, as a share of the largest value, and of what."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    out, _ = padded(case)
    x_space, g_space = (out, case.space) if case.op == "transposed" else (case.space, out)
    if case.op == "dense":
        g_space, w_shape = case.space, (case.channels, case.filters)
    elif case.op == "depthwise":
        w_shape = (*case.kernel, case.channels, 1)
    elif case.op == "transposed":
        w_shape = (*case.kernel, case.filters, case.channels)
    else:
        w_shape = (*case.kernel, case.channels, case.filters)
    filters = case.channels if case.op == "depthwise" else case.filters
    shapes = [
        (case.batch, *x_space, case.channels),
        w_shape,
        (filters,),
        (case.batch, *g_space, filters),
    ]
    given = [tf.cast(rng.normal(size=shape), case.dtype) for shape in shapes]
    x, w, b, g = (tf.cast(value, tf.float64).numpy() for value in given)
    exact = reference(case, x, w, g)
    exact[0] = exact[0] + b
    if case.op == "fused":
        exact = [np.maximum(exact[0], 0)]
    found = (0.0, "")
    for call in computed(case, *given):
        names = ("output", "gradient by input", "gradient by filter", "gradient by bias")
        if case.dtype != "float32":  # TensorFlow sums a bias's in 16 bits, with oneDNN or without
            call = call[:3]
        for name, value, wanted in zip(names, call, exact, strict=False):
            value = tf.cast(value, tf.float64).numpy().reshape(wanted.shape)
            error = np.abs(value - wanted).max() / (np.abs(wanted).max() + 1e-30)
            found = max(found, (float(error) if np.isfinite(error) else np.inf, name))
    return found


def main() -> None:
    """Reads cases from standard input and works through them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    given = json.load(sys.stdin)
    tf.config.threading.set_intra_op_parallelism_threads(given["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if given["cured"]:
        from secateur.models.strided import mend

        mend()
    for number, values in enumerate(given["cases"]):
        print("case", number, flush=True)
        case = Case(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
        error, name = worst(case, number)
        if not error <= TOLERANCE[case.dtype]:
            print("wrong", number, f"{name} by {error:.2g}", flush=True)
    print("end", flush=True)


if __name__ == "__main__":
    main()
