"""Per-example gradients of one weight from one call of its layer, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

# Elements of the largest intermediate of one chunk: small enough to stay near the caches.
CHUNK = 1 << 21

Part = Callable[[int, int], tf.Tensor]


class Layout(NamedTuple):
    """How a product (..., groups, inputs, outputs) becomes a weight: reshape, transpose, reshape.

    Attributes:
        split: The product's shape as finer axes.
        order: Their order in the weight.
        shape: The weight's shape.
    """

    split: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    def __call__(self, products: tf.Tensor) -> tf.Tensor:
        count = products.shape[0]
        if self.order != tuple(range(len(self.order))):
            products = tf.reshape(products, [count, *self.split])
            products = tf.transpose(products, [0, *(axis + 1 for axis in self.order)])
        return tf.reshape(products, [count, *self.shape])

    def array(self, product: np.ndarray) -> np.ndarray:
        """The same for one array."""
        return product.reshape(self.split).transpose(self.order).reshape(self.shape)

    def inverse(self, weight: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        """From the weight back to (groups, inputs, outputs), whose sizes are given."""
        moved = weight.reshape([self.split[axis] for axis in self.order])
        return moved.transpose(np.argsort(self.order)).reshape(sizes)


class Term(Protocol):
    """The gradient of each example with respect to a weight, from one call."""

    examples: int

    def gradients(self, low: int, high: int) -> tf.Tensor:
        """Gradients of examples `low` to `high`: shape (high - low, *weight shape)."""

    def total(self, power: int) -> tf.Tensor | None:
        """Σ over examples of |gradient|^power, if there is a way without each gradient."""

    def signed(self) -> tf.Tensor:
        """Σ over examples of the gradient itself."""

    @property
    def cost(self) -> int:
        """Elements that one example's gradient takes to compute."""


class Product:
    """Gradients that are Σ over positions p of left[p]ᵀ right[p]: nearly every layer's.

    Args:
        left: (low, high) -> float tensor (examples, positions, groups, inputs).
        right: (low, high) -> float tensor (examples, positions, groups, outputs).
        sizes: (examples, positions, groups, inputs, outputs).
        layout: From (groups, inputs, outputs) to the weight.
        backwards: Whether the layer's input is `right` and its output `left`.
    """

    def __init__(
        self,
        left: Part,
        right: Part,
        sizes: tuple[int, int, int, int, int],
        layout: Layout,
        backwards: bool = False,
    ):
        self.left, self.right, self.sizes, self.layout = left, right, sizes, layout
        self.backwards = backwards
        self.examples = sizes[0]

    @property
    def cost(self) -> int:
        _, positions, groups, inputs, outputs = self.sizes
        return groups * max(inputs * outputs, positions * max(inputs, outputs))

    @property
    def positions_cost(self) -> int:
        """Elements of one example's factors."""
        _, positions, groups, inputs, outputs = self.sizes
        return groups * positions * max(inputs, outputs)

    def gradients(self, low: int, high: int) -> tf.Tensor:
        return self.layout(self._product(self.left(low, high), self.right(low, high)))

    def total(self, power: int) -> tf.Tensor | None:
        _, positions, _, _, _ = self.sizes
        if positions == 1:
            # |x δ| = |x| |δ|: the examples take the place of the positions.
            left = _power(self.left(0, self.examples), power)
            right = _power(self.right(0, self.examples), power)
            folded = self._product(_swap(left), _swap(right))
            return self.layout(folded)[0]
        sums: tf.Tensor | None = None
        for low, high in chunks(self.examples, self.cost):
            part = self._product(self.left(low, high), self.right(low, high))
            part = tf.reduce_sum(_power(part, power), 0, keepdims=True)
            sums = part if sums is None else sums + part
        return self.layout(sums)[0]

    def signed(self) -> tf.Tensor:
        # Without an absolute value the examples are but more positions.
        left, right = self.left(0, self.examples), self.right(0, self.examples)
        folded = [tf.reshape(x, [1, -1, *x.shape[2:]]) for x in (left, right)]
        return self.layout(self._product(*folded))[0]

    def _product(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        if self.sizes[2] == 1:
            # Reshaped and not indexed, which would copy what can be the largest tensor of all.
            left, right = (tf.reshape(x, [*x.shape[:2], x.shape[3]]) for x in (left, right))
            if left.shape[0] == 1:  # a plain product is faster than a batch
                left, right = (tf.reshape(x, x.shape[1:]) for x in (left, right))
            product = tf.matmul(left, right, transpose_a=True)
            return tf.reshape(product, [-1, 1, *product.shape[-2:]])
        return tf.einsum("npgi,npgo->ngio", left, right)


class Lookup:
    """Gradients of rows of a table, looked up at some positions of each example.

    Args:
        rows: int tensor (examples, positions).
        deltas: float tensor (examples, positions, width).
        table: Number of rows of the weight.
    """

    def __init__(self, rows: tf.Tensor, deltas: tf.Tensor, table: int):
        self.rows, self.deltas, self.table = tf.cast(rows, tf.int64), deltas, table
        self.examples = int(rows.shape[0])

    @property
    def cost(self) -> int:
        return self.table * int(self.deltas.shape[-1])

    def gradients(self, low: int, high: int) -> tf.Tensor:
        count, width = high - low, self.deltas.shape[-1]
        rows = self.rows[low:high] + self.table * tf.range(count, dtype=tf.int64)[:, None]
        flat = tf.math.unsorted_segment_sum(
            tf.reshape(self.deltas[low:high], [-1, width]),
            tf.reshape(rows, [-1]),
            count * self.table,
        )
        return tf.reshape(flat, [count, self.table, width])

    def total(self, power: int) -> tf.Tensor | None:
        return lookup_total([self], power)

    def signed(self) -> tf.Tensor:
        deltas = tf.reshape(self.deltas, [-1, self.deltas.shape[-1]])
        return tf.math.unsorted_segment_sum(deltas, tf.reshape(self.rows, [-1]), self.table)


def lookup_total(terms: Sequence[Lookup], power: int) -> tf.Tensor:
    """Σ over examples of |gradient|^power: only the rows that occur take memory."""
    first = terms[0]
    rows = tf.concat([term.rows for term in terms], 1)
    deltas = tf.concat([term.deltas for term in terms], 1)
    offset = first.table * tf.range(first.examples, dtype=tf.int64)[:, None]
    keys, places = tf.unique(tf.reshape(rows + offset, [-1]), out_idx=tf.int64)
    width = deltas.shape[-1]
    sums = tf.math.unsorted_segment_sum(tf.reshape(deltas, [-1, width]), places, tf.size(keys))
    return tf.math.unsorted_segment_sum(_power(sums, power), keys % first.table, first.table)


Order = Literal["rows", "windows", "halves"]
"""Where the examples are in the first axis of a layer's input: one a row; the windows of an example
behind each other; or all examples behind each other, several times."""


def orders(terms: Sequence[Term], examples: int) -> tuple[Order, ...]:
    """The ways in which some terms can belong to so many examples."""
    if all(term.examples == examples for term in terms):
        return ("rows",)
    if all(term.examples % examples == 0 for term in terms):
        return ("windows", "halves")
    return ()


def by_example(terms: Sequence[Term], examples: int, order: Order) -> list[Term] | None:
    """Terms whose first axis is the examples; None if they cannot be in that order."""
    if order not in orders(terms, examples):
        return None
    return [t if t.examples == examples else _folded(t, examples, order) for t in terms]


def _folded(term: Term, examples: int, order: Order) -> Term:
    times = term.examples // examples

    def of(part: Part) -> Part:
        def folded(low: int, high: int) -> tf.Tensor:
            if order == "halves":
                parts = [part(k * examples + low, k * examples + high) for k in range(times)]
                return tf.concat(parts, 1)
            value = part(low * times, high * times)
            return tf.reshape(value, [high - low, -1, *value.shape[2:]])

        return folded

    if isinstance(term, Lookup):
        rows = of(lambda low, high: term.rows[low:high])(0, examples)
        deltas = of(lambda low, high: term.deltas[low:high])(0, examples)
        return Lookup(rows, deltas, term.table)
    assert isinstance(term, Product)
    _, positions, groups, inputs, outputs = term.sizes
    sizes = (examples, times * positions, groups, inputs, outputs)
    return Product(of(term.left), of(term.right), sizes, term.layout, term.backwards)


def weight_total(terms: Sequence[Term], power: int) -> tf.Tensor:
    """Σ over examples of |Σ over the weight's calls of the gradient|^power."""
    if len(terms) == 1:
        total = terms[0].total(power)
        if total is not None:
            return total
    if all(isinstance(term, Lookup) for term in terms):
        return lookup_total([term for term in terms if isinstance(term, Lookup)], power)
    if all(isinstance(term, Product) for term in terms):
        joined = _join([term for term in terms if isinstance(term, Product)])
        if joined is not None:
            return weight_total([joined], power)
    sums: tf.Tensor | None = None
    for low, high in chunks(terms[0].examples, max(term.cost for term in terms)):
        part = tf.add_n([term.gradients(low, high) for term in terms])
        part = tf.reduce_sum(_power(part, power), 0)
        sums = part if sums is None else sums + part
    assert sums is not None
    return sums


def signed_total(terms: Sequence[Term]) -> tf.Tensor:
    """Σ over examples of the gradient, from the same factors, to compare with a plain backward."""
    sums = [term.signed() for term in terms]
    return sums[0] if len(sums) == 1 else tf.add_n(sums)


def chunks(examples: int, cost: int) -> list[tuple[int, int]]:
    """Cuts a batch into ranges whose intermediates stay within `CHUNK` elements."""
    size = max(1, min(examples, CHUNK // max(1, cost)))
    return [(low, min(low + size, examples)) for low in range(0, examples, size)]


def _join(terms: list[Product]) -> Product | None:
    """Calls whose factors have the same shape, as one call with all their positions."""
    shapes = {(term.sizes[0], *term.sizes[2:]) for term in terms}
    if len(shapes) != 1 or len({term.layout for term in terms}) != 1:
        return None
    examples, _, groups, inputs, outputs = terms[0].sizes
    positions = sum(term.sizes[1] for term in terms)
    return Product(
        lambda low, high: tf.concat([term.left(low, high) for term in terms], 1),
        lambda low, high: tf.concat([term.right(low, high) for term in terms], 1),
        (examples, positions, groups, inputs, outputs),
        terms[0].layout,
    )


def windows(
    images: tf.Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    output: Sequence[int],
) -> tf.Tensor:
    """What each tap of a kernel sees: shape (examples, *output, taps · channels), taps first.

    One axis after the other, the last one first: k + k slices in place of k · k, and longer pieces
    to copy.
    """
    for axis in reversed(range(len(kernel))):
        step, length = strides[axis], output[axis]
        before = [slice(None)] * (axis + 1)
        starts = [tap * dilation[axis] for tap in range(kernel[axis])]
        images = tf.concat(
            [images[(*before, slice(at, at + (length - 1) * step + 1, step))] for at in starts], -1
        )
    return images


def same_padding(
    size: int, output: int, kernel: int, stride: int, dilation: int
) -> tuple[int, int]:
    """What TensorFlow's SAME adds before and after an axis."""
    total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _power(values: tf.Tensor, power: int) -> tf.Tensor:
    return tf.abs(values) if power == 1 else tf.square(values)


def _swap(values: tf.Tensor) -> tf.Tensor:
    """(examples, 1, ...) -> (1, examples, ...)"""
    return tf.reshape(values, [1, values.shape[0], *values.shape[2:]])


def volume(shape: Sequence[int]) -> int:
    """Number of elements."""
    return math.prod(int(size) for size in shape)
