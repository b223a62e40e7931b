"""Weights whose inputs are known: proved on a few examples before they are relied on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf

from secateur.importance.data import Batch
from secateur.importance.gradients.capture import Call
from secateur.importance.gradients.passes import Passes
from secateur.importance.gradients.terms import Product, Term, signed_total
from secateur.importance.run import Run
from secateur.models.weights import flat_layers
from secateur.proof.inputs import apart, plain_inputs, some_function, some_gradients
from secateur.proof.record import Check
from secateur.proof.scores import HALF, TOLERANCE

FEW = 3
"""Examples of the proof."""

_BYTES = 1 << 28  # of weights, up to which their gradients are computed as well


def misread_inputs(run: Run) -> set[str]:
    """Paths of weights of a run whose inputs are not seen as they are, or not all of them.

    Two things are proved on a few examples, and noted in `run.checks`: what is captured of each
    call of a layer is what goes into it in a plain forward pass; and, unless the model is large,
    inputs times what comes back are the gradient of the weight, so that it is not used elsewhere as
    well. A notice names the weights of which that is not so. Of layers of which no inputs are
    known nothing is said.
    """
    started = time.perf_counter()
    batch = run.first(FEW)
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(run.model))
    tolerance = HALF if half else TOLERANCE
    calls = capture(run, batch)
    passes = Passes(run)
    terms = passes.terms(calls)
    weights = [w for w in run.weights if id(w.variable) in terms]
    captured: dict[int, list[list[np.ndarray]]] = defaultdict(list)
    for call in calls:
        leaves = tf.nest.flatten(call.arguments)
        captured[id(call.layer)].append([a.numpy() for a in leaves if isinstance(a, tf.Tensor)])
    layers = list({id(w.layer): w.layer for w in weights}.values())
    differences = apart(captured, plain_inputs(run.model, layers, batch.x))
    found = {w.path: differences[id(w.layer)] for w in weights}
    small = sum(int(np.prod(w.variable.shape)) * 4 for w in run.weights) <= _BYTES
    if small:
        for path, difference in _gradients_apart(run.only(weights), batch).items():
            found[path] = max(found[path], difference)
    known = {path for path, difference in found.items() if difference <= tolerance}
    if len(known) < len(found):
        run.note(
            f"What goes into {', '.join(sorted(set(found) - known))} is not seen as a whole (it is "
            "used outside its layer, or its layer does something else): left out."
        )
    run.checks.append(
        Check(
            subject="scores",
            statement=f"What was seen of the inputs of {len(known)} weights is what goes into "
            "their layers in a plain forward pass, call by call"
            + (", and gives their gradients." if small else "."),
            examples=batch.size,
            difference=max((found[path] for path in known), default=0.0),
            tolerance=tolerance,
            seconds=time.perf_counter() - started,
        )
    )
    return set(found) - known


def capture(run: Run, batch: Batch) -> list[Call]:
    """The calls of the layers of a run's weights for a batch."""
    passes = Passes(run)
    with passes.installed():
        return passes.forward(batch)


def terms_apart(found: Collection[Term], wanted: Collection[Term]) -> float:
    """The largest difference of the inputs of two lists of terms; infinite where they differ."""
    if len(found) != len(wanted):
        return np.inf
    return max(
        (_inputs_apart(a, b) for a, b in zip(found, wanted, strict=True)),
        default=0.0,
    )


def _inputs_apart(found: Term, wanted: Term) -> float:
    a, b = (np.asarray(_inputs(term), np.float64) for term in (found, wanted))
    if a.shape != b.shape:
        return np.inf
    return float(np.abs(a - b).max(initial=0.0)) / (float(np.abs(b).max(initial=0.0)) or 1.0)


def _inputs(term: Term) -> Any:
    if isinstance(term, Product):
        part = term.right if term.backwards else term.left
        return part(0, term.examples)
    return term.rows  # type: ignore[attr-defined]


def _gradients_apart(run: Run, batch: Batch) -> dict[str, float]:
    """How far the closed forms are from the gradient of some function of the outputs."""
    calls, _ = Passes(run).gradients(batch, some_function)
    terms = Passes(run).terms(calls)
    wanted = some_gradients(run.model, {w.path: w.variable for w in run.weights}, batch.x)
    largest = max((np.abs(g).max(initial=0.0) for g in wanted.values() if g is not None), default=0)
    found = {}
    for weight in run.weights:
        right = wanted[weight.path]
        ours = signed_total(terms[id(weight.variable)]).numpy()
        right = np.zeros_like(ours) if right is None else right.astype(ours.dtype)
        scale = max(float(np.abs(right).max(initial=0.0)), 1e-6 * float(largest)) or 1.0
        found[weight.path] = float(np.nan_to_num(np.abs(ours - right), nan=0.0).max()) / scale
    return found
