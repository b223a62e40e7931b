"""What a model's weights are called, which of them can be pruned, and what identifies the model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.models.functional import Functional, functional_like_constructor
from keras.src.utils.naming import to_snake_case

from secateur.models.own_code import code_digests
from secateur.models.strided import mend

mend()  # before anything in this package takes a gradient of a model

_NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.UnitNormalization,
    keras.layers.RMSNormalization,
    keras.layers.SpectralNormalization,
    keras.layers.Normalization,
)
_FIXED = (keras.layers.STFTSpectrogram,)
"""Layers whose weights are a transform that is given and not learnt."""


class PrunableWeight(NamedTuple):
    """A weight that pruning may touch.

    Attributes:
        path: Name of the weight, unique in its model (see `weight_paths`).
        variable: The Keras variable.
        layer: The innermost layer that owns it; of a `Bidirectional(LSTM)`, the `LSTMCell`.
    """

    path: str
    variable: keras.Variable
    layer: keras.Layer

    @property
    def layer_path(self) -> str:
        """Name of the owning layer: the weight's path without its last part."""
        return self.path.rpartition("/")[0]


def flat_layers(model: keras.Layer) -> Iterator[keras.Layer]:
    """Yields every layer inside `model`, parents before children, each shared layer once."""
    seen: set[int] = set()
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer


def weight_paths(model: keras.Model) -> list[tuple[str, keras.Variable]]:
    """Pairs of name and variable for all of `model.weights`, in the model's own order.

    The name is made of the names of the layers on the way from the model to the variable, and the
    variable's own: `dense/kernel`, or `encoder/dense/kernel` in a nested model. A shared layer
    counts where it comes first. (Keras's `variable.path` is another after loading wherever a
    `Sequential` or a wrapper was built in one go.) Of layers, or weights of a layer, that share a
    name, the second and later ones get `#2`, `#3` … behind it, so that paths are unique. Inside a
    class of a user's own, which makes its layers anew when a file is read, a number that Keras may
    have given (`dense_7`) does not count.
    """
    return [(path, variable) for path, variable, _ in _named(model)]


def _named(model: keras.Model) -> list[tuple[str, keras.Variable, keras.Layer]]:
    """Unique name, variable and innermost layer of each of `model.weights`."""
    places: dict[int, tuple[str, keras.Layer]] = {}
    _place(model, "", {id(model)}, {}, places, _names_anew(model))
    named = []
    for variable in model.weights:
        path, layer = places[id(variable)]
        named.append((path, variable, layer))
    return named


def _place(
    layer: keras.Layer,
    prefix: str,
    seen: set[int],
    times: dict[str, int],
    places: dict[int, tuple[str, keras.Layer]],
    anew: bool,
) -> None:
    """Notes where each variable inside `layer` lies: the innermost layer, at its first place."""
    for child in layer._layers:
        if id(child) not in seen:
            seen.add(id(child))
            name = _unnumbered(child) if anew else child.name
            inside = _unique(prefix + name, times) + "/"
            _place(child, inside, seen, times, places, anew or _names_anew(child))
    for variable in layer.weights:
        if id(variable) not in places:
            places[id(variable)] = (_unique(prefix + variable.name, times), layer)


def _names_anew(layer: keras.Layer) -> bool:
    """Whether the layers inside are made by a user's own code, and not from a configuration."""
    if type(layer).__module__.partition(".")[0] == "keras":
        return False
    kind = type(layer)
    graph = issubclass(kind, Functional) and functional_like_constructor(kind)
    described = kind.get_config.__module__.partition(".")[0] == "keras"
    return not (described and (graph or issubclass(kind, keras.Sequential)))


def _unnumbered(layer: keras.Layer) -> str:
    """A layer's name without a number behind the name of its class."""
    kind = to_snake_case(type(layer).__name__)
    return kind if re.fullmatch(rf"{re.escape(kind)}_\d+", layer.name) else layer.name


def _unique(name: str, times: dict[str, int]) -> str:
    times[name] = times.get(name, 0) + 1
    return name if times[name] == 1 else f"{name}#{times[name]}"


def prunable_weights(model: keras.Model) -> list[PrunableWeight]:
    """The weights that sparsity is counted over: kernels, embeddings and the like.

    Biases, the vectors of normalisation layers, PReLU slopes, integer state and what is not
    trained (tables, buffers, states of recurrent layers) are neither pruned nor counted, and
    neither is anything of a layer that is quantized or has LoRA enabled (`left_alone`). Kernels of
    a layer that is frozen count. In a layer that Keras does not know, a floating-point weight of
    two or more axes that is not called a bias counts as a kernel.

    Args:
        model: A built Keras model of any kind.

    Returns:
        The weights in the order of `model.weights`; a shared weight appears once.
    """
    return [
        PrunableWeight(path, variable, layer)
        for path, variable, layer in _named(model)
        if _is_prunable(variable, layer)
    ]


def left_alone(model: keras.Model) -> list[str]:
    """One sentence for each reason why layers with kernels are not pruned; mostly none."""
    quantized: dict[str, list[str]] = {}
    adapted: list[str] = []
    for layer in flat_layers(model):
        if not (layer._trainable_variables or layer._non_trainable_variables):
            continue
        if _quantization(layer):
            quantized.setdefault(_quantization(layer), []).append(layer.name)
        elif getattr(layer, "lora_enabled", False):
            adapted.append(layer.name)
    said = [
        f"Not pruned, because quantized ({mode}): {_some(names)}; prune a model before it is "
        "quantized."
        for mode, names in quantized.items()
    ]
    if adapted:
        said.append(
            f"Not pruned, because LoRA is enabled: {_some(adapted)}; Keras adds the factors to the "
            "kernel when it saves a model, so that zeros would not last: prune one that was saved."
        )
    return said


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _quantization(layer: keras.Layer) -> str:
    """How a layer's weights are quantized; empty if they are not."""
    return getattr(layer, "quantization_mode", None) or ""


def _is_prunable(variable: keras.Variable, layer: keras.Layer) -> bool:
    if isinstance(layer, (*_NORMALISATIONS, *_FIXED, keras.layers.PReLU)):
        return False
    if _quantization(layer) or getattr(layer, "lora_enabled", False):
        return False
    if any(variable is buffer for buffer in layer._non_trainable_variables):
        return False
    if "float" not in keras.backend.standardize_dtype(variable.dtype):
        return False
    name = variable.name
    return len(variable.shape) >= 2 and "bias" not in name


def content_digest(model: keras.Model) -> str:
    """SHA-256 of what the model is: its configuration and the bytes of its weights.

    Two files of the same model differ by the date inside them; this digest does not. Optimizer,
    compile settings and random state are left out; the code of a user's own layers is not.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    config = _canonical_config(model)
    digest.update(json.dumps(config, sort_keys=True).encode())
    if code := code_digests(config):
        digest.update(json.dumps(code, sort_keys=True).encode())
    for path, variable in sorted(weight_paths(model), key=lambda pair: pair[0]):
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
        digest.update(json.dumps([path, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _canonical_config(model: keras.Model) -> Any:
    try:
        config = keras.saving.serialize_keras_object(model)
    except NotImplementedError:  # a subclassed model without get_config
        return {"class": f"{type(model).__module__}.{type(model).__qualname__}"}
    config.pop("compile_config", None)
    return config
