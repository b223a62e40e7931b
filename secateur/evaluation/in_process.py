"""`secateur.evaluate`: what a model is worth and what it costs, in a notebook."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from secateur.datasets.given import Arrays, Given, parts, read, told
from secateur.evaluation.counts import count_layers
from secateur.evaluation.flops import counted_flops
from secateur.evaluation.schema import FileSize, LayerCount
from secateur.evaluation.size import file_size


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate` found.

    Attributes:
        metrics: What the compiled model says on the data: `loss` and its metrics.
        parameters: All weights, biases and statistics.
        prunable: Kernels, embeddings and the like: what pruning may touch.
        nonzero: Prunable weights that are not zero.
        flops: FLOPs of one example, a multiply-add being 2; None where they cannot be counted.
        bytes: Of the `.keras` file: raw, and compressed.
        layers: The layers with prunable weights.
        notices: What could not be counted, and why.
    """

    metrics: dict[str, float]
    parameters: int
    prunable: int
    nonzero: int
    flops: int | None
    bytes: FileSize
    layers: list[LayerCount]
    notices: tuple[str, ...] = ()

    @property
    def sparsity(self) -> float:
        """Zeros / prunable weights."""
        return 1 - self.nonzero / self.prunable if self.prunable else 0.0

    def __str__(self) -> str:
        lines = [f"{name}: {value:.4f}" for name, value in self.metrics.items()]
        lines.append(f"weights: {self.nonzero:,} of {self.prunable:,}, {self.sparsity:.2%} zero")
        lines.append(f"parameters: {self.parameters:,}")
        lines += [f"FLOPs: {self.flops:,}"] if self.flops is not None else []
        lines.append(f"bytes: {self.bytes.raw:,}, {self.bytes.gzip:,} after gzip")
        return "\n".join([*lines, *self.notices])


def metrics_on(model: keras.Model, data: Given, batch_size: int = 32) -> dict[str, float]:
    """What `model.evaluate` says on data that `secateur.datasets.given.read` has read."""
    x, y, weights = parts(data)
    how = {"batch_size": batch_size} if isinstance(data, Arrays) else {}
    with told():
        found = model.evaluate(x, y, sample_weight=weights, return_dict=True, verbose=0, **how)
    return {name: float(value) for name, value in found.items()}


def evaluate(model: keras.Model, data: Any = None, *, batch_size: int = 32) -> Evaluated:
    """Measures a model on data, and counts its weights, FLOPs and bytes.

    Args:
        model: A built Keras model; compiled, if it is to be measured on data.
        data: Data as for `secateur.prune`; None only counts.
        batch_size: Examples a step, where `data` are not batched.

    Raises:
        ValueError: One sentence on what does not fit.
    """
    metrics: dict[str, float] = {}
    if data is not None:
        if not model.compiled:
            raise ValueError("Measuring on data needs a compiled model: call model.compile.")
        metrics = metrics_on(model, read(data, batch_size=batch_size), batch_size)
    flops, notices = counted_flops(model)
    with tempfile.TemporaryDirectory() as folder:
        model.save(path := Path(folder) / "model.keras")
        size = file_size(path)
    layers = count_layers(model)
    return Evaluated(
        metrics,
        model.count_params(),
        sum(layer.parameters for layer in layers),
        sum(layer.nonzero for layer in layers),
        flops,
        size,
        layers,
        tuple(notices),
    )
