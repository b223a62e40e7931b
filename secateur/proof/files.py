"""A file, read back in its own runtime, computes what the model computes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.proof.comparing import EXACT, difference, first_layer
from secateur.proof.examples import examples_for, outputs
from secateur.proof.record import Check, ProofError


def prove_saved(model: keras.Model, path: Path, data: Any = None) -> Check:
    """Reads a `.keras` file again, and compares it with the model that was written.

    Args:
        model: What was saved; it is left as it is.
        path: The file. Classes of a user's own are taken from the model.
        data: Real examples (see `examples_for`); None for generated ones.

    Raises:
        ProofError: One sentence with the layer.
    """
    start = time.perf_counter()
    own = {
        type(layer).__name__: type(layer)
        for layer in (model, *model._flatten_layers())
        if not type(layer).__module__.startswith("keras.")
    }
    with keras.saving.custom_object_scope(own):
        read = keras.saving.load_model(path, compile=False)
    given, worst = examples_for(model, data), 0.0
    if given is not None:
        worst = difference(outputs(read, given.x)[0], outputs(model, given.x)[0])
    if worst > EXACT and given is not None:
        layer = first_layer(
            model, read, lambda: outputs(model, given.x), lambda: outputs(read, given.x), EXACT
        )
        where = f"from the layer '{layer}' on" if layer else "in its outputs"
        raise ProofError(
            f"The file {path.name} of '{model.name}' computes something else than the model, "
            f"{where} (by {worst:.3g} of the largest value): a layer does not save all that it "
            "holds; give it save_own_variables() and load_own_variables()."
        )
    return Check(
        subject="file",
        statement=f"{path.name}, read again, computes what the model computes.",
        examples=given.count if given else 0,
        difference=worst,
        tolerance=EXACT,
        seconds=round(time.perf_counter() - start, 3),
    )


def exported(
    name: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float, seconds: float
) -> Check:
    """The check of an exported file, by what its runtime and Keras give for the same examples.

    Args:
        name: Of the file.
        ours: What the file gives.
        theirs: What the model gives.
        tolerance: Largest difference, as a share of the largest output (at least 1).
        seconds: How long it took to find out.

    Raises:
        ProofError: One sentence.
    """
    finite = np.isfinite(theirs) & np.isfinite(ours)
    size = max(1.0, float(np.abs(theirs[finite]).max(initial=0.0)))
    worst = float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0)) / size
    if worst > tolerance or not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        raise ProofError(
            f"The exported {name} gives other outputs than the Keras model (by {worst:.2g} of the "
            f"largest, where {tolerance:g} is rounding); leave it out of export.formats, and "
            "please report it."
        )
    return Check(
        subject="file",
        statement=f"{name}, read by its own runtime, computes what the model computes.",
        examples=len(theirs),
        difference=worst,
        tolerance=tolerance,
        seconds=round(seconds, 3),
    )


def kept_quality(name: str, lost: float, allowed: float, examples: int, seconds: float) -> Check:
    """The check of a quantized or clustered file, whose outputs are others by intention.

    Args:
        name: Of the file.
        lost: What it loses of the first metric on validation data.
        allowed: How much it may lose.
        examples: On how many examples that was measured.
        seconds: How long it took.
    """
    return Check(
        subject="file",
        statement=f"{name} keeps the first metric on validation data as well as "
        "export.accuracy_drop asks.",
        examples=examples,
        difference=max(0.0, lost),
        tolerance=allowed,
        seconds=round(seconds, 3),
    )
