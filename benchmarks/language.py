"""A small GPT on text, character by character: perplexity before and after pruning.

    python -m benchmarks.language [--epochs 30] [--tune 5]

The model `gpt` of this project learns the texts of the data set `languages` (extra `text`), is
pruned in each way, and then fine-tuned with its zeros held. Nothing is chosen here: all rows are
shown, on the validation and on the test split. The table goes into benchmarks/language.md.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from benchmarks.readme import replace_section
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import Dataset
from secateur.datasets.load import materialize
from secateur.evaluation.accuracy import measure_accuracy
from secateur.importance.scoring import score
from secateur.models.build import build_model
from secateur.models.config import ModelConfig
from secateur.models.weights import prunable_weights
from secateur.report.markdown import markdown_table
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import hold
from secateur.sparsity.layout import describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.methods import rewrite
from secateur.sparsity.select import select
from secateur.structure.pruning import remove_least
from secateur.training.batches import calibration
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig
from secateur.training.objective import Objective

LEFT_ALONE = ("embedding", "logits")
"""As in the papers, only what is inside the blocks is pruned."""
EXAMPLES = 512
GOAL = Objective(task="language_model")
WAYS: dict[str, tuple[str, dict]] = {
    "magnitude, 50 %": ("magnitude", {"ratio": 0.5, "allocation": "uniform"}),
    "wanda, 50 %": ("wanda", {"ratio": 0.5, "allocation": "uniform"}),
    "sparsegpt, 50 %": ("sparsegpt", {"ratio": 0.5, "allocation": "uniform"}),
    "magnitude, 2:4": ("magnitude", {"pattern": "2:4"}),
    "wanda, 2:4": ("wanda", {"pattern": "2:4"}),
    "sparsegpt, 2:4": ("sparsegpt", {"pattern": "2:4"}),
    "a quarter of the heads": ("head", {"ratio": 0.25}),
    "half of the heads": ("head", {"ratio": 0.5}),
    "half of the feed-forward units": ("channel", {"ratio": 0.5, "include": ("*_inner",)}),
}


def perplexity(model: keras.Model, data: Dataset) -> list[str]:
    """e to the mean cross-entropy of a token, on the validation and the test split."""
    splits = (data.validation, data.test)
    return [f"{math.exp(measure_accuracy(model, split, GOAL)[0]):.2f}" for split in splits]


def train(model: keras.Model, data: Dataset, epochs: int, rate: float) -> None:
    """Trains in place."""
    config = FitConfig(epochs=epochs, batch_size=32, learning_rate=rate)
    fit(model, data.train, data.validation, config, seed=0, objective=GOAL)


def pruned(dense: keras.Model, data: Dataset, way: str) -> tuple[keras.Model, Masks | None]:
    """A pruned copy, and its masks where weights were set to zero."""
    method, target = WAYS[way]
    model = keras.models.clone_model(dense)
    model.set_weights(dense.get_weights())
    examples = calibration(data.train, EXAMPLES, 0)
    if method in ("head", "channel"):
        scores = score(model, examples, "taylor", loss=GOAL.loss(model))
        wanted = TargetConfig(pattern=method, **target)
        return remove_least(model, scores, wanted).model, None
    config = TargetConfig(exclude=LEFT_ALONE, **target)
    if method == "magnitude":
        masks = select(score(model, None, method), config, layers=describe(model))
        for weight in prunable_weights(model):
            if weight.path in masks:
                weight.variable.assign(weight.variable.numpy() * masks[weight.path])
        return model, masks
    return model, rewrite(model, examples, config, method=method)


def main() -> None:
    """Prints the rows, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--tune", type=int, default=5)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    config = DatasetConfig(
        name="languages", task="language_model", tokens="character", text_length=64
    )
    with tempfile.TemporaryDirectory() as folder:
        data = materialize(config, Path(folder))
        dense = build_model(ModelConfig(name="gpt"), data.shape, data.classes, data.traits)
        train(dense, data, options.epochs, 3e-3)
        rows = [["dense", f"{dense.count_params():,}", *perplexity(dense, data), "", ""]]
        print(" | ".join(rows[0]), flush=True)
        for way in WAYS:
            model, masks = pruned(dense, data, way)
            before = perplexity(model, data)
            if masks is None:
                train(model, data, options.tune, 1e-3)
            else:
                with hold(model, masks):
                    train(model, data, options.tune, 1e-3)
            rows.append([way, _left(model), *before, *perplexity(model, data)])
            print(" | ".join(rows[-1]), flush=True)
    header = ["", "weights", "validation", "test", "tuned: validation", "tuned: test"]
    replace_section("language", markdown_table(header, rows), Path(__file__).with_suffix(".md"))


def _left(model: keras.Model) -> str:
    zeros = sum(int((w.variable.numpy() == 0).sum()) for w in prunable_weights(model))
    return f"{model.count_params() - zeros:,}"


if __name__ == "__main__":
    main()
