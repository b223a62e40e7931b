"""A model in all the formats that are asked for, each file loaded again and checked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from secateur.datasets.dataset import Dataset, Split
from secateur.evaluation.runtimes import open_model
from secateur.evaluation.runtimes.keras import Keras
from secateur.evaluation.size import file_size
from secateur.export.aware import fine_tune_quantized
from secateur.export.blame import first_wrong_layer
from secateur.export.checking import (
    EXACT,
    ExportMismatchError,
    Metrics,
    check_exact,
    check_quantized,
    largest_difference,
    metrics_of,
)
from secateur.export.clustering import cluster_weights
from secateur.export.config import ExportConfig
from secateur.export.schema import Export
from secateur.export.writing import FILES, Written, write, write_litert
from secateur.graph.copying import copied
from secateur.proof.clusters import prove_clusters
from secateur.proof.copies import prove_copy
from secateur.proof.files import exported, kept_quality
from secateur.proof.quantized import prove_quantized
from secateur.proof.record import Check
from secateur.training.batches import chosen

EXAMPLES = 256
"""Examples whose outputs are compared."""
_FEW = 16
"""Examples that a wrong layer is looked for with."""


@dataclass(frozen=True)
class Measures:
    """What says how good a model is.

    Attributes:
        metrics: Fresh metrics; the first one decides on quantized and clustered files.
        loss: For quantization-aware fine-tuning.
        higher: Whether a higher value of the first metric is better.
    """

    metrics: Metrics
    loss: keras.losses.Loss
    higher: bool = True


def export_model(
    model: keras.Model,
    dataset: Dataset,
    config: ExportConfig,
    folder: Path,
    measures: Measures,
    seed: int = 0,
    checkpoints: Path | None = None,
) -> tuple[list[Export], list[str], list[Check]]:
    """Writes the files and checks them.

    Args:
        model: A model of the data set; it stays as it is.
        dataset: Training examples calibrate and fine-tune, validation decides, test measures.
        config: What to write.
        folder: An existing, empty folder.
        measures: What the files are checked and measured by.
        seed: Draws the examples for calibration, and orders those of fine-tuning.
        checkpoints: A folder that survives a kill, for fine-tuning; None to keep no checkpoints.

    Returns:
        A record of each file, notices, and what was proved of each file.

    Raises:
        ValueError: One sentence: a format cannot hold the model.
        ExportMismatchError: One sentence: a file does not do what the model does.
    """
    source, proved = model, list[Check]()
    if config.clusters:
        source = copied(model)
        x, _ = dataset.train.arrays(np.arange(min(4, len(dataset.train))))
        proved.append(prove_copy(model, source, (x,)))
        cluster_weights(source, config.clusters, seed)
        proved.append(prove_clusters(model, source, config.clusters))
    check = _Check(model, source, dataset, config, measures)
    records: list[Export] = []
    notices: list[str] = []
    for format in config.formats:
        file = write(source, format, folder)
        records.append(check.record(file))
        notices += file.notices
    if config.quantize:
        file, said, made_of = _quantized(source, check, folder, seed, checkpoints)
        records.append(check.record(file, made_of))
        notices += [*said, *file.notices]
    return records, notices, [*proved, *check.proved]


def _quantized(
    model: keras.Model, check: _Check, folder: Path, seed: int, checkpoints: Path | None
) -> tuple[Written, list[str], keras.Model]:
    """The quantized file and its model; where it loses too much, one that was trained for it."""
    config, train = check.config, check.dataset.train
    path = folder / FILES["litert"].replace(".", f"_{config.quantize}.")
    x, _ = train.arrays(chosen(train, config.calibration, seed))
    file = write_litert(model, path, config.quantize, x)
    try:
        check.quality(file)
        return file, [], model
    except ExportMismatchError:
        if not config.aware_epochs or config.quantize == "float16":
            raise
    tuned = fine_tune_quantized(
        model,
        train,
        check.measures.loss,
        epochs=config.aware_epochs,
        seed=seed,
        checkpoints=checkpoints,
        checks=check.proved,
    )
    file = write_litert(tuned, path, config.quantize, x)
    check.quality(file)
    said = (
        f"Quantization ({config.quantize}) lost more than export.accuracy_drop, so that the model "
        f"in {path.name} was fine-tuned for {config.aware_epochs} epochs with quantized kernels."
    )
    return file, [said], tuned


@dataclass(frozen=True)
class _Check:
    """Compares files with the model that they were made of."""

    model: keras.Model
    source: keras.Model
    dataset: Dataset
    config: ExportConfig
    measures: Measures
    proved: list[Check] = field(default_factory=list)

    def quality(self, file: Written) -> None:
        """Refuses a file that loses more than it may."""
        start = time.perf_counter()
        found = metrics_of(open_model(file.path), self._held_out, self.measures.metrics)
        drop, higher = self.config.accuracy_drop, self.measures.higher
        lost = check_quantized(file.name, found, self._expected, drop, higher)
        seconds, examples = time.perf_counter() - start, len(self._held_out)
        self.proved.append(kept_quality(file.path.name, lost, drop, examples, seconds))

    def record(self, file: Written, made_of: keras.Model | None = None) -> Export:
        """What is known of a file, which has passed all checks; `made_of` of a quantized one."""
        start = time.perf_counter()
        runner = open_model(file.path)
        x, theirs = self._outputs
        ours = runner.predict(x)
        difference = largest_difference(file.name, ours, theirs)
        if made_of is not None:
            assert self.config.quantize is not None
            wanted = theirs if made_of is self.source else Keras(made_of).predict(x)
            seconds = time.perf_counter() - start
            kind = self.config.quantize
            self.proved.append(prove_quantized(file.path.name, kind, ours, wanted, seconds))
        else:
            check_exact(file.name, difference, theirs, lambda: self._first_wrong(file))
            seconds = time.perf_counter() - start
            self.proved.append(exported(file.path.name, ours, theirs, EXACT, seconds))
            if self.config.clusters:
                self.quality(file)
        return Export(
            name=file.name,
            file=file.path.name,
            sparse=file.sparse,
            bytes=file_size(file.path),
            max_difference=difference,
            metrics=metrics_of(runner, self.dataset.test, self.measures.metrics),
        )

    def _first_wrong(self, file: Written) -> str | None:
        format = next(f for f in self.config.formats if f == file.name)
        x, _ = self._held_out.arrays(np.arange(min(_FEW, len(self._held_out))))
        return first_wrong_layer(self.source, lambda m, at: write(m, format, at), file.name, x)

    @cached_property
    def _held_out(self) -> Split:
        validation = self.dataset.validation
        return validation if len(validation) else self.dataset.train

    @cached_property
    def _outputs(self) -> tuple[Any, np.ndarray]:
        """Examples, and what Keras gives for them."""
        x, _ = self._held_out.arrays(np.arange(min(EXAMPLES, len(self._held_out))))
        return x, Keras(self.source).predict(x)

    @cached_property
    def _expected(self) -> dict[str, float]:
        return metrics_of(Keras(self.model), self._held_out, self.measures.metrics)
