"""A copy of a model is what the model is: the same state, and the same outputs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from secateur.proof.comparing import CHANCE, EXACT, difference, first_layer
from secateur.proof.examples import Examples, examples_for, outputs
from secateur.proof.record import Check, ProofError

_PATIENCE = 0.7
"""Seconds of a first run above which the model is not run again in training mode."""
_ADAPTED = ("mean", "variance", "bin_boundaries", "idf_weights_const")
_GENERATED = ", on generated examples"
_OUT = "pass in_place=True where the function has it, and please report it"


def prove_copy(original: keras.Model, copy: keras.Model, data: Any = None) -> Check:
    """Compares a copy with its original: state, compile settings, and outputs on a few examples.

    Outputs are compared in inference mode and, where the model gives the same twice, in training
    mode, with the state that a step of training leaves. Both models are left as they are.

    Args:
        original: A built model.
        copy: What should do the same.
        data: Real examples to run on (see `examples_for`); None for generated ones.

    Raises:
        ProofError: One sentence with the layer.
    """
    start = time.perf_counter()
    _same_state(original, copy)
    _same_settings(original, copy)
    given = examples_for(original, data)
    worst, said = 0.0, "; no example could be made for its inputs"
    if given is not None:
        began = time.perf_counter()
        found, how = _compared(original, copy, given, False), "" if given.real else _GENERATED
        worst, said = found or 0.0, f", and computes what it computes (in inference{how})"
        if found is None:
            said = f"; {CHANCE}"
        elif time.perf_counter() - began < _PATIENCE:
            trained = _compared(original, copy, given, True)
            if trained is not None:
                worst = max(worst, trained)
                said = said.replace("in inference", "in inference and training mode")
    return Check(
        subject="copy",
        statement=f"The copy of '{original.name}' has the state of the model{said}.",
        examples=given.count if given else 0,
        difference=worst,
        tolerance=EXACT,
        seconds=round(time.perf_counter() - start, 3),
    )


def _compared(original: Any, copy: Any, given: Examples, training: bool) -> float | None:
    """The largest difference; None where the mode is not deterministic, or there is none."""
    try:
        theirs = _run(original, given, training)
    except Exception:  # a model that examples_for has run in inference need not train
        if training:
            return None
        raise
    ours = _run(copy, given._replace(gives=None), training)
    off = max(difference(ours[key], theirs[key]) if key in ours else np.inf for key in theirs)
    if off <= EXACT:
        return off
    again = _run(original, given._replace(gives=None), training)
    if max(difference(again[key], theirs[key]) for key in theirs) > EXACT:
        return None
    layer = first_layer(
        original,
        copy,
        lambda: outputs(original, given.x, training=training),
        lambda: outputs(copy, given.x, training=training),
        EXACT,
    )
    where = f"from the layer '{layer}' on" if layer else "in its outputs"
    mode = "training" if training else "inference"
    raise ProofError(
        f"The copy of '{original.name}' computes something else in {mode} mode, {where} (by "
        f"{off:.3g} of the largest value); {_OUT}."
    )


def _run(model: Any, on: Examples, training: bool) -> dict[str, Any]:
    """Outputs, and the state that the call would leave, by its place."""
    found = None if training else on.gives
    given, state = outputs(model, on.x, training=training) if found is None else found
    places = {id(v): path for path, v in placed(model)}
    left = {
        places[id(v)]: after
        for v, after in zip(model.non_trainable_variables, state, strict=True)
        if id(v) in places
    }
    return {"": given, **left}


def _same_state(original: Any, copy: Any) -> None:
    if type(original) is not type(copy):
        raise ProofError(
            f"The copy of '{original.name}' is a {type(copy).__name__} and no "
            f"{type(original).__name__}, whose own methods would not be used; {_OUT}."
        )
    mine, theirs = dict(placed(original)), dict(placed(copy))
    for path in [*mine, *theirs]:
        reason = None
        if path not in mine or path not in theirs:
            reason = "is not in both"
        elif mine[path] is theirs[path]:
            reason = "is shared by both"
        elif tuple(mine[path].shape) != tuple(theirs[path].shape):
            reason = "has another shape"
        elif not np.array_equal(_value(mine[path]), _value(theirs[path]), equal_nan=True):
            reason = "has other values"
        elif mine[path].trainable != theirs[path].trainable:
            reason = "is trained in one of them alone"
        if reason:
            raise ProofError(
                f"The copy of '{original.name}' is not the model: '{path}' {reason}; {_OUT}."
            )
    adapted = dict(_adapted(copy))
    for path, value in _adapted(original):
        if path not in adapted or difference(value, adapted[path]) > 0:
            raise ProofError(
                f"The copy of '{original.name}' has lost what the layer "
                f"'{path.rpartition('/')[0]}' was adapted to; {_OUT}."
            )


def _value(variable: Any) -> np.ndarray:
    value = keras.ops.convert_to_numpy(variable.value)
    return value.astype(np.float32) if value.dtype.kind not in "fiub" else value


def placed(model: Any) -> Iterator[tuple[str, Any]]:
    """Name and variable of all state, found over the layers' names."""
    seen, times = set[int](), dict[str, int]()

    def name(path: str) -> str:
        times[path] = times.get(path, 0) + 1
        return path if times[path] == 1 else f"{path}#{times[path]}"

    def go(layer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        seen.add(id(layer))
        seeds = [generator.state for generator in layer._seed_generators]
        for v in (*layer._trainable_variables, *layer._non_trainable_variables, *seeds):
            if id(v) not in seen:
                seen.add(id(v))
                yield name(f"{prefix}{v.name}"), v
        for child in layer._layers:
            if id(child) not in seen:
                yield from go(child, name(f"{prefix}{child.name}") + "/")

    return go(model, "")


def _adapted(model: Any) -> Iterator[tuple[str, np.ndarray]]:
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if hasattr(layer, "get_vocabulary"):
            yield f"{layer.name}/vocabulary", np.array([str(w) for w in layer.get_vocabulary()])
        if hasattr(layer, "adapt"):
            for name in _ADAPTED:
                value = getattr(layer, name, None)
                if value is not None:
                    yield f"{layer.name}/{name}", np.array(value)


def _same_settings(original: Any, copy: Any) -> None:
    if not getattr(original, "compiled", False):
        return
    mine, theirs = (list(_settings(model)) for model in (original, copy))
    for (name, value), (_, other) in zip(mine, theirs, strict=False):
        if value != other:
            raise ProofError(
                f"The copy of '{original.name}' is compiled with another {name} ({other} in place "
                f"of {value}); {_OUT}."
            )


def _settings(model: Any) -> Iterator[tuple[str, Any]]:
    optimizer = getattr(model, "optimizer", None)
    while isinstance(optimizer, keras.optimizers.Optimizer):
        yield "optimizer", type(optimizer).__name__
        config = optimizer.get_config()
        for key in sorted(set(config) - {"name", "inner_optimizer"}):
            yield f"optimizer.{key}", str(config[key])
        excluded = getattr(optimizer, "_exclude_from_weight_decay", ())
        yield (
            "exclusion from weight decay",
            sorted(path for path, v in placed(model) if optimizer._var_key(v) in excluded),
        )
        pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
        yield "exclusion from weight decay", pattern.pattern if pattern else None
        optimizer = getattr(optimizer, "inner_optimizer", None)
    for key in ("run_eagerly", "jit_compile", "steps_per_execution"):
        yield key, getattr(model, key, None)
    config = getattr(getattr(model, "_compile_config", None), "config", {})
    yield "loss_weights", str(config.get("loss_weights"))
    for key in ("metrics", "weighted_metrics", "loss"):
        yield key, str([getattr(x, "name", x) for x in keras.tree.flatten(config.get(key))])
