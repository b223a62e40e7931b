"""The names of the results that each command writes, for what is refused before any work."""

from __future__ import annotations

from collections.abc import Iterable

_FEEDING = ("vectorizer.keras", "encoder.json")

_NAMES = {
    "prune": (
        "report.json",
        "report.html",
        "report.md",
        "model_card.md",
        "model.keras",
        *_FEEDING,
        "tensorboard",
    ),
    "sweep": ("sweep.json", "sweep.html", "sweep.png", "models"),
    "search": (
        "search.json",
        "search.html",
        "sensitivity.png",
        "prune.yaml",
        "model.keras",
        *_FEEDING,
    ),
    "sensitivity": ("sensitivity.json", "sensitivity.png", "data.html"),
    "compress": ("compress.json", "compress.md", "data.html", "model.keras", *_FEEDING),
    "transfer": (
        "transfer.json",
        "transfer.html",
        "transfer.md",
        "transfer.png",
        "model.keras",
        *_FEEDING,
    ),
}

_EXPORTED = {
    "keras": "model.keras",
    "litert": "model.tflite",
    "onnx": "model.onnx",
    "saved_model": "saved_model",
}
"""As in `secateur.export.writing`, which imports TensorFlow."""


def names_of(
    command: str, formats: Iterable[str] = (), quantize: str | None = None
) -> tuple[str, ...]:
    """The files and folders that a command writes, or may write, at the top of its output folder.

    Args:
        command: Its name, such as `prune`.
        formats: Formats that the model is exported in.
        quantize: How a second LiteRT file is quantized, if there is one.
    """
    exported = [_EXPORTED[format] for format in formats]
    if quantize:
        exported.append(_EXPORTED["litert"].replace(".", f"_{quantize}."))
    return tuple(dict.fromkeys([*_NAMES[command], *exported]))
