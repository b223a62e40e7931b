"""A few examples of the training split, as the model gets them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from secateur.datasets.card.schema import Input, Sample
from secateur.datasets.dataset import Dataset
from secateur.datasets.text import FILE

_COUNT = 12
_SIDE = 160  # pixels that a picture is shown with, at most


def samples(data: Dataset, inputs: Sequence[Input]) -> tuple[Sample, ...]:
    """Examples spread over the training split; of each class one, as far as they reach."""
    train = data.train
    chosen = _chosen(train.y, len(train))
    x, y = train.arrays(chosen)
    words = _words(data) if any(each.kind == "text" for each in inputs) else []
    found = []
    for place in range(len(chosen)):
        shown = {
            each.name: _shown((x[each.name] if isinstance(x, Mapping) else x)[place], each, words)
            for each in inputs
        }
        found.append(Sample(inputs=shown, target=_target(data, y, place, words)))
    return tuple(found)


def _chosen(y: Any, count: int) -> np.ndarray:
    first = next(iter(y.values())) if isinstance(y, Mapping) else y
    spread = np.unique(np.linspace(0, count - 1, min(_COUNT, count)).astype(np.int64))
    if first.ndim > 1 or first.dtype.kind not in "iu":
        return spread
    _, places = np.unique(first, return_index=True)
    both = [*places[:_COUNT].tolist(), *spread.tolist()]
    return np.array(list(dict.fromkeys(both))[:_COUNT], np.int64)


def _shown(values: np.ndarray, about: Input, words: Sequence[str]) -> Any:
    if about.kind == "table":
        return [float(value) for value in values]
    if about.kind == "text":
        return _text(values, words)
    return _picture(values) if about.kind == "image" else None


def _picture(values: np.ndarray) -> str:
    """Values between 0 and 1, or whatever they span, as the data URI of a PNG file."""
    from PIL import Image

    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    pixels = np.round((values - low) / (high - low) * 255).astype(np.uint8)
    gray = pixels.ndim == 2 or pixels.shape[2] == 1
    image = Image.fromarray(pixels.reshape(pixels.shape[:2]) if gray else pixels)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _words(data: Dataset) -> list[str]:
    """What each token stands for."""
    import keras

    file = data.folder / FILE
    return keras.saving.load_model(file).get_layer("tokens").get_vocabulary()


def _text(tokens: np.ndarray, words: Sequence[str]) -> str:
    used = np.flatnonzero(tokens)
    end = used[-1] + 1 if len(used) else 0
    return " ".join(words[token] for token in tokens[:end])


def _target(data: Dataset, y: Any, place: int, words: Sequence[str]) -> dict[str, str]:
    outputs = data.info.get("outputs") or [{**data.info, "name": ""}]
    told = {}
    for each in outputs:
        value = np.asarray((y[each["name"]] if isinstance(y, Mapping) else y)[place])
        names = each["class_names"]
        if each["task"] in ("classification", "binary"):
            label = int(value.reshape(-1)[0])
            told[each["name"]] = str(names[label]) if names else str(label)
        elif each["task"] == "language_model":
            told[each["name"]] = _text(value, words)
        else:
            flat = value.reshape(-1)
            more = " …" if len(flat) > 8 else ""
            told[each["name"]] = ", ".join(f"{number:g}" for number in flat[:8]) + more
    return told
