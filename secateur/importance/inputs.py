"""What goes into each weight: the squared norm of every input feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from secateur.importance.gradients.capture import Call
from secateur.importance.gradients.passes import Passes
from secateur.importance.gradients.terms import Lookup, Product, Term, chunks
from secateur.importance.known import misread_inputs
from secateur.importance.run import Run


def input_squares(run: Run) -> Mapping[str, np.ndarray]:
    """Σ over examples and positions of x², for the input feature that each weight multiplies.

    A convolution's input features are the taps of its kernel times its channels; an Embedding's
    are its rows, one-hot.

    Returns:
        Weight path -> float64 array of the weight's shape, made at each access, so that not all
        are in memory at once; weights of layers whose inputs are not known are left out, and a
        notice names them.
    """
    misread = misread_inputs(run)
    given, run = run, run.only([w for w in run.weights if w.path not in misread])
    passes = Passes(run)
    sums: dict[str, np.ndarray] = {}
    kinds: dict[str, Term] = {}
    paths = {id(weight.variable): weight.path for weight in run.weights}

    def add(call: Call) -> None:
        for variable, terms in passes.terms([call]).items():
            path = paths[variable]
            for term in terms:
                kinds.setdefault(path, term)
                sums[path] = sums.get(path, 0.0) + _squares(term).numpy().astype(np.float64)

    with passes.installed():
        first = run.first(1)
        size = passes.batch_size(passes.forward(first), first.size, streamed=True)
        for batch in run.batches(size):
            passes.stream(batch, add)
    missing = sorted({w.layer_path for w in given.weights if w.path not in sums})
    if missing:
        given.note(f"The inputs of {', '.join(missing)} are not known: not scored.")
    shapes = {w.path: tuple(w.variable.shape) for w in run.weights}
    return _Squares({path: (kinds[path], total, shapes[path]) for path, total in sums.items()})


class _Squares(Mapping[str, np.ndarray]):
    """The sums of each input feature, spread over the weights that multiply it."""

    def __init__(self, sums: dict[str, tuple[Term, np.ndarray, tuple[int, ...]]]):
        self._sums = sums

    def __getitem__(self, path: str) -> np.ndarray:
        return _spread(*self._sums[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._sums)

    def __len__(self) -> int:
        return len(self._sums)


def _squares(term: Term) -> tf.Tensor:
    """Shape (groups, inputs) for products, (rows,) for lookups; the whole weight where needed."""
    if isinstance(term, Lookup):
        return tf.math.bincount(tf.cast(term.rows, tf.int32), minlength=term.table)
    assert isinstance(term, Product)
    sums = None
    for low, high in chunks(term.examples, term.positions_cost):
        if term.backwards:
            part = _seen_squares(term, low, high)
        else:
            part = tf.reduce_sum(tf.square(term.left(low, high)), [0, 1])
        sums = part if sums is None else sums + part
    return sums


def _seen_squares(term: Product, low: int, high: int) -> tf.Tensor:
    # In a transposed convolution a tap may fall outside the output, where its input does not count.
    seen = tf.cast(term.left(low, high) != 0, tf.float32)
    return tf.einsum("npgi,npgo->gio", seen, tf.square(term.right(low, high)))


def _spread(term: Term, sums: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(term, Lookup):
        return np.broadcast_to(sums[:, None], shape)
    assert isinstance(term, Product)
    _, _, groups, inputs, outputs = term.sizes
    if sums.ndim == 2:
        sums = np.broadcast_to(sums[..., None], (groups, inputs, outputs))
    return term.layout(tf.constant(sums)[None])[0].numpy()
