"""A file, read back in its own runtime, computes what the model computes."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.proof.comparing import CHANCE, EXACT, difference, first_layer
from secateur.proof.copies import placed
from secateur.proof.examples import Examples, examples_for, outputs
from secateur.proof.masks import prove_masks
from secateur.proof.record import Check, ProofError

_LEAST = 1e-6
"""A difference that is rounding however small the outputs of an exported file are."""


def prove_saved(
    model: keras.Model,
    path: Path,
    data: Any = None,
    masks: Mapping[str, np.ndarray] | None = None,
    when: str = "after saving",
    load: Callable[[Path], keras.Model] | None = None,
) -> list[Check]:
    """Reads a `.keras` file again, and compares it with the model that was written.

    The trained weights have to be the same to the bit, and so have outputs on a few examples; what
    draws at random in inference draws with the seeds of the model.

    Args:
        model: What was saved; it is left as it is.
        path: The file.
        data: Real examples (see `examples_for`); None for generated ones.
        masks: What has to be zero in the file too: weight path -> mask, True = kept.
        when: Such as `after fine-tuning`, for the statement on masks.
        load: How the file is read; None for Keras's own way, with classes of a user's own taken
            from the model.

    Raises:
        ProofError: One sentence with the layer.
    """
    start = time.perf_counter()
    read = load(path) if load else _read(model, path)
    _same_weights(model, read, path.name)
    given, worst = examples_for(model, data), 0.0
    shown = "; no example could be made for its inputs"
    if given is not None:
        found = _compared(model, read, given, path.name)
        shown = "" if given.real else " (on generated examples)"
        worst, shown = (0.0, f"; {CHANCE}") if found is None else (found, shown)
    if shown[:1] != ";":
        shown = f", and computes what the model computes{shown}"
    check = Check(
        subject="file",
        statement=f"{path.name} of '{model.name}', read again, holds its weights{shown}.",
        examples=given.count if given else 0,
        difference=worst,
        tolerance=EXACT,
        seconds=round(time.perf_counter() - start, 3),
    )
    if masks is None:
        return [check]
    return [check, prove_masks(read, masks, f"{when}, in the file that was saved")]


def _read(model: keras.Model, path: Path) -> keras.Model:
    own = {
        type(layer).__name__: type(layer)
        for layer in (model, *model._flatten_layers())
        if not type(layer).__module__.startswith("keras.")
    }
    try:
        with keras.saving.custom_object_scope(own):
            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever its readers do
        last = [line.strip() for line in str(error).splitlines() if line.strip()][-1:]
        why = textwrap.shorten(last[0] if last else type(error).__name__, 160)
        raise ProofError(
            f"The file {path.name} of '{model.name}' cannot be read again ({why}); give layers of "
            "your own a get_config() from which they can be built, and functions a name that is "
            "registered with keras.saving."
        ) from error


def _same_weights(model: keras.Model, read: keras.Model, name: str) -> None:
    """By name; layers in a class of a user's own may be numbered anew, and then by their values."""
    mine, theirs = (_saved(m) for m in (model, read))
    if mine.keys() == theirs.keys():
        others = {path: [value] for path, value in theirs.items()}
    else:
        others = {path: list(theirs.values()) for path in mine}
    for path, value in mine.items():
        if not any(_same(value, other) for other in others[path]):
            raise ProofError(
                f"The file {name} of '{model.name}' holds other values than the weight '{path}': "
                "write it anew, and look for a full disk or for another program that writes there; "
                "a layer of your own has to save its weights (save_own_variables)."
            )


def _saved(model: Any) -> dict[str, np.ndarray]:
    """What Keras saves as it is: not seeds, nor where it adds LoRA's factors to a kernel."""
    merged = {
        id(v)
        for layer in model._flatten_layers()
        if getattr(layer, "lora_enabled", False)
        for v in layer.variables
    }
    own = {id(v) for v in model.weights} - merged
    return {path: keras.ops.convert_to_numpy(v.value) for path, v in placed(model) if id(v) in own}


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _compared(model: Any, read: Any, on: Examples, name: str) -> float | None:
    """The largest difference of outputs; None of a model that gives something else each time."""
    seeds = [
        {path: v for path, v in placed(m) if v.name == "seed_generator_state"}
        for m in (model, read)
    ]
    if len(seeds[0]) == len(seeds[1]):
        pairs = zip(seeds[0].values(), seeds[1].values(), strict=True)
        drawn = {id(theirs): mine.value for mine, theirs in pairs}
    else:
        drawn = {}

    def ours() -> Any:
        return outputs(read, on.x, drawn)[0]

    def theirs() -> Any:
        return outputs(model, on.x)[0]

    worst = difference(ours(), on.gives[0])
    if worst <= EXACT:
        return worst
    if difference(theirs(), on.gives[0]) > EXACT:
        return None
    layer = first_layer(model, read, theirs, ours, EXACT)
    where = f"from the layer '{layer}' on" if layer else "in its outputs"
    raise ProofError(
        f"The file {name} of '{model.name}' computes something else than the model, {where} (by "
        f"{worst:.3g} of the largest value): it does not save all that it holds; give a layer of "
        "your own save_own_variables() and load_own_variables(), and no entry of a vocabulary a "
        "line break."
    )


def exported(
    name: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float, seconds: float
) -> Check:
    """The check of an exported file, by what its runtime and Keras give for the same examples.

    Args:
        name: Of the file.
        ours: What the file gives.
        theirs: What the model gives.
        tolerance: Largest difference, as a share of the largest output.
        seconds: How long it took to find out.

    Raises:
        ProofError: One sentence.
    """
    worst = float("inf")
    if ours.shape == theirs.shape and np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        finite = np.isfinite(theirs)
        off = float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0))
        size = float(np.abs(theirs[finite]).max(initial=0.0))
        worst = off / max(size, _LEAST / tolerance) if off else 0.0
    if worst > tolerance:
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
