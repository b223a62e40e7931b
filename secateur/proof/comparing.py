"""How far two models' outputs are apart, and in which layer that begins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

EXACT = 1e-5
"""Of a copy, which does the same sums in the same order."""
CHANCE = "what it computes is something else each time, which was not compared"
"""Said of a model whose outputs are drawn at random in inference, too."""


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference, as a share of the largest value; infinite where shapes differ."""
    first, second = (list(map(_array, keras.tree.flatten(x))) for x in (ours, theirs))
    if [a.shape for a in first] != [b.shape for b in second]:
        return float("inf")
    worst = 0.0
    for a, b in zip(first, second, strict=True):
        if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
            worst = max(worst, 0.0 if np.array_equal(a, b) else float("inf"))
            continue
        x, y = a.astype(np.float64), b.astype(np.float64)
        finite = np.isfinite(x) & np.isfinite(y)
        if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
            return float("inf")
        off = np.abs(x[finite] - y[finite]).max(initial=0.0)
        size = max(np.abs(x[finite]).max(initial=0.0), np.abs(y[finite]).max(initial=0.0))
        worst = max(worst, float(off / size) if off else 0.0)
    return worst


def rounding(model: keras.Model, single: float = 1e-4) -> float:
    """What rounding may do where sums are taken in another order, by the least exact layer."""
    kinds = {
        keras.backend.standardize_dtype(layer.compute_dtype or "float32")
        for layer in model._flatten_layers()
    }
    if "bfloat16" in kinds:
        return 0.1
    return 0.02 if "float16" in kinds else single


def first_layer(
    ours: keras.Model,
    theirs: keras.Model,
    run_ours: Callable[[], Any],
    run_theirs: Callable[[], Any],
    tolerance: float,
) -> str | None:
    """Path of the first layer whose outputs differ, among those that give the same shapes.

    Args:
        ours: A model.
        theirs: Another one, with layers of the same names.
        run_ours: Runs the first.
        run_theirs: Runs the second.
        tolerance: As a share of the largest output of a layer.
    """
    mine, other = _recorded(ours, run_ours), dict(_recorded(theirs, run_theirs))
    for place, outputs in mine:
        found = other.get(place)
        if found is None or [x.shape for x in outputs] != [x.shape for x in found]:
            continue
        if difference(outputs, found) > tolerance:
            return place[0]
    return None


def layer_paths(model: keras.Model) -> dict[int, str]:
    """id of a layer -> names of the layers on the way to it."""
    paths: dict[int, str] = {}

    def go(layer: Any, prefix: str) -> None:
        for child in layer._layers:
            if id(child) not in paths:
                paths[id(child)] = prefix + child.name
                go(child, f"{prefix}{child.name}/")

    go(model, "")
    return paths


_Place = tuple[str, int]


def _recorded(model: keras.Model, run: Callable[[], Any]) -> list[tuple[_Place, list[np.ndarray]]]:
    """Outputs of each call of each layer, in the order in which the calls end."""
    paths, found = layer_paths(model), list[tuple[_Place, list[np.ndarray]]]()
    times: dict[str, int] = {}

    def note(layer: Any, outputs: Any) -> None:
        if id(layer) in paths:
            path = paths[id(layer)]
            with contextlib.suppress(Exception):  # what is no array is not compared
                arrays = [_array(x) for x in keras.tree.flatten(outputs)]
                times[path] = times.get(path, 0) + 1
                found.append(((path, times[path]), arrays))

    with _watched(note), contextlib.suppress(Exception):  # as far as it runs
        run()
    return found


@contextlib.contextmanager
def _watched(note: Callable[[Any, Any], None]) -> Iterator[None]:
    call = keras.layers.Layer.__call__

    def watching(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = call(self, *args, **kwargs)
        note(self, given)
        return given

    keras.layers.Layer.__call__ = watching
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = call


def _array(value: Any) -> np.ndarray:
    array = np.asarray(keras.ops.convert_to_numpy(value)) if hasattr(value, "dtype") else value
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
