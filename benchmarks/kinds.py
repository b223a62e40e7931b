"""Which kind of model, on which kind of data, is pruned in which pattern: each cell is run.

    python -m benchmarks.kinds

Every cell builds a model of that kind, scores it by `magnitude`, prunes it, looks at what is left,
and trains it for a step with the zeros held. The same cells are the tests in `tests/test_kinds.py`.
The table goes into benchmarks/kinds.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.readme import replace_section
from secateur.datasets.traits import Traits
from secateur.importance.scoring import score
from secateur.models.build import build_model, check_fits
from secateur.models.config import ModelConfig
from secateur.models.weights import prunable_weights
from secateur.report.markdown import markdown_table
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import hold
from secateur.sparsity.layout import describe
from secateur.sparsity.select import select
from secateur.structure.pruning import remove_least

layers = keras.layers

PATTERNS = ("weight", "2:4", "1x4", "channel", "head", "layer")
RATIO = 0.5

_TABLE = {"mean": (0.0,) * 10, "variance": (1.0,) * 10}
_TEXT = {"vocabulary": 40}


def _unet(shape: tuple[int, ...], classes: int) -> keras.Model:
    images = keras.Input(shape)
    wide = layers.Conv2D(8, 3, padding="same", activation="relu", name="wide")(images)
    deep = layers.Conv2D(16, 3, padding="same", activation="relu", name="deep")(
        layers.MaxPooling2D(2, name="pool")(wide)
    )
    up = layers.Conv2DTranspose(8, 2, strides=2, activation="relu", name="up")(deep)
    both = layers.Concatenate(name="both")([up, wide])
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="fine")(both)
    return keras.Model(images, layers.Conv2D(classes, 1, name="logits")(x))


def _tagger(shape: tuple[int, ...], classes: int) -> keras.Model:
    tokens = keras.Input(shape, dtype="int32")
    x = layers.Embedding(40, 16, name="embedding")(tokens)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True, name="lstm"), name="both")(x)
    return keras.Model(tokens, layers.Dense(classes, name="logits")(x))


def _two_heads(shape: tuple[int, ...], classes: dict[str, int]) -> keras.Model:
    numbers = keras.Input(shape)
    x = layers.Dense(32, activation="relu", name="h1")(numbers)
    x = layers.Dense(32, activation="relu", name="h2")(x)
    heads = {name: layers.Dense(count, name=name)(x) for name, count in classes.items()}
    return keras.Model(numbers, heads)


def _ranker(shape: tuple[int, ...], classes: int) -> keras.Model:
    items = keras.Input(shape)
    x = layers.Dense(32, activation="relu", name="h1")(items)
    x = layers.Dense(16, activation="relu", name="h2")(x)
    return keras.Model(items, layers.Flatten(name="flat")(layers.Dense(1, name="value")(x)))


Way = ModelConfig | Callable[[Any, Any], keras.Model]
KINDS: dict[tuple[str, str], tuple[Way, Any, Any, Traits]] = {
    ("simple_net", "images"): (ModelConfig(name="simple_net"), (8, 8, 1), 10, Traits()),
    ("lenet_5", "images"): (ModelConfig(name="lenet_5"), (16, 16, 1), 10, Traits()),
    ("resnet_20", "images"): (ModelConfig(name="resnet_20"), (8, 8, 3), 10, Traits()),
    ("MobileNetV2", "images"): (ModelConfig(application="MobileNetV2"), (32, 32, 3), 5, Traits()),
    ("tabular_mlp", "table, classes"): (
        ModelConfig(name="tabular_mlp"),
        (10,),
        3,
        Traits(**_TABLE),
    ),
    ("tabular_mlp", "table, numbers"): (
        ModelConfig(name="tabular_mlp"),
        (10,),
        1,
        Traits(task="regression", target_mean=(5.0,), target_deviation=(2.0,), **_TABLE),
    ),
    ("text_cnn", "text"): (ModelConfig(name="text_cnn"), (12,), 4, Traits(**_TEXT)),
    ("text_lstm", "text"): (ModelConfig(name="text_lstm"), (6,), 4, Traits(**_TEXT)),
    ("text_transformer", "text"): (ModelConfig(name="text_transformer"), (12,), 4, Traits(**_TEXT)),
    ("gpt", "text, next token"): (
        ModelConfig(name="gpt"),
        (12,),
        40,
        Traits(task="language_model", **_TEXT),
    ),
    ("unet (own)", "images, a class a pixel"): (
        _unet,
        (8, 8, 3),
        4,
        Traits(task="token_classification"),
    ),
    ("tagger (own)", "text, a class a token"): (
        _tagger,
        (6,),
        4,
        Traits(task="token_classification", **_TEXT),
    ),
    ("two_heads (own)", "table, two outputs"): (
        _two_heads,
        (10,),
        {"kind": 3, "price": 1},
        Traits(task="several", outputs={"kind": "classification", "price": "regression"}),
    ),
    ("ranker (own)", "lists, an order"): (_ranker, (5, 4), 5, Traits(task="regression")),
}
"""(model, data) -> configuration or function that builds it, input shape, outputs, traits."""

BUILT: dict[tuple[str, str], keras.Model] = {}


def built(kind: tuple[str, str]) -> keras.Model:
    """The model of a kind; built once, and never changed."""
    if kind not in BUILT:
        keras.utils.set_random_seed(0)
        way, shape, classes, traits = KINDS[kind]
        if isinstance(way, ModelConfig):
            BUILT[kind] = build_model(way, shape, classes, traits)
        else:
            BUILT[kind] = way(shape, classes)
            check_fits(BUILT[kind], shape, classes, traits)
    return BUILT[kind]


def examples(kind: tuple[str, str], count: int = 8) -> tuple[np.ndarray, Any]:
    """Random inputs and targets of a kind."""
    _, shape, classes, traits = KINDS[kind]
    random = np.random.default_rng(0)
    if traits.vocabulary:
        x = random.integers(0, traits.vocabulary, (count, *shape)).astype(np.int32)
    else:
        x = random.random((count, *shape), np.float32)

    def targets(task: str, classes: int) -> np.ndarray:
        if task == "regression":
            return random.normal(size=(count, classes)).astype(np.float32)
        each = shape[:2] if task in ("language_model", "token_classification") else ()
        return random.integers(0, classes, (count, *each))

    if traits.outputs:
        return x, {name: targets(task, classes[name]) for name, task in traits.outputs.items()}
    return x, targets(traits.task, classes)


def run(kind: tuple[str, str], pattern: str) -> str:
    """Prunes a model of a kind in a pattern.

    Returns:
        What came of it: the share of zeros, or of the weights that are gone.

    Raises:
        ValueError: It cannot be done; the sentence of the refusal.
        AssertionError: It was done wrongly.
    """
    model, (x, y) = built(kind), examples(kind)
    if pattern in ("channel", "head", "layer"):
        return _removed(model, x, y, pattern)
    target = TargetConfig(pattern=pattern, ratio=None if ":" in pattern else RATIO)
    scores = score(model, None, "magnitude")
    masks = select(scores, target, layers=describe(model))
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    with hold(twin, masks):
        _train(twin, x, y)
    weights = prunable_weights(twin)
    zeros = sum(int((w.variable.numpy() == 0).sum()) for w in weights)
    share = zeros / sum(w.variable.numpy().size for w in weights)
    assert abs(share - RATIO) < 0.03, f"{share:.2%} are zero"
    return f"{share:.0%} zeros"


def _removed(model: keras.Model, x: np.ndarray, y: Any, pattern: str) -> str:
    ratio = 0.3 if pattern == "layer" else RATIO
    ranked = {"rank_layers": "scores"} if pattern == "layer" else {}
    target = TargetConfig(pattern=pattern, ratio=ratio, **ranked)
    small = remove_least(model, score(model, None, "magnitude"), target).model
    assert small.output_shape == model.output_shape
    gone = 1 - small.count_params() / model.count_params()
    if not gone:
        raise ValueError(f"No {pattern} of it can be left out.")
    _train(small, x, y)
    return f"{gone:.0%} gone"


def _train(model: keras.Model, x: np.ndarray, y: Any) -> None:
    def loss(targets: np.ndarray) -> Any:
        whole = np.issubdtype(targets.dtype, np.integer)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True) if whole else "mse"

    losses = {name: loss(each) for name, each in y.items()} if isinstance(y, dict) else loss(y)
    model.compile("adam", losses, run_eagerly=True)  # tracing would take longer
    assert np.isfinite(model.train_on_batch(x, y)).all()


def main() -> None:
    """Runs all cells, and writes the table."""
    rows = []
    for kind in KINDS:
        cells = []
        for pattern in PATTERNS:
            try:
                cells.append(run(kind, pattern))
            except ValueError as error:
                cells.append("–")
                print(f"{kind[0]} on {kind[1]}, {pattern}: {error}", flush=True)
        rows.append([f"`{kind[0]}`", kind[1], *cells])
        print(" | ".join(rows[-1]), flush=True)
    table = markdown_table(["model", "data", *PATTERNS], rows)
    replace_section("kinds", table, Path(__file__).with_suffix(".md"))


if __name__ == "__main__":
    main()
