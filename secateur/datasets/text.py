"""Texts -> tokens, by Keras's TextVectorization over the training split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.raw import ROWS

FILE = "vectorizer.keras"
"""A Keras model, strings (batch,) -> tokens: what a user's texts have to go through."""

_COVERED = 0.95
_LONGEST = 512
_CONTEXT = 64


class Vectorizer:
    """Takes texts apart, with a vocabulary of the training split.

    Token 0 pads; 1 stands for everything that is not in the vocabulary. Models take the tokens,
    not the strings: so they can be pruned, exported and run anywhere, and `vectorizer.keras` lies
    beside them for the strings.

    Args:
        train: Texts of the training split, not empty.
        config: How to take them apart.
    """

    def __init__(self, train: np.ndarray, config: DatasetConfig):
        layer = _layer(config, None)
        layer.adapt(train.tolist())
        words = layer.get_vocabulary(include_special_tokens=False)
        self.size = len(words) + 2
        self.words = words
        self.length = config.text_length or _CONTEXT
        if config.task == "language_model":
            self._layer = layer
            return
        if config.text_length is None:
            self._layer = layer
            lengths = [len(row) for row in self._rows(train)]
            self.length = max(
                2, min(_LONGEST, int(np.quantile(lengths, _COVERED, method="higher")))
            )
        self._layer = _layer(config, self.length)
        self._layer.set_vocabulary(words)

    def tokens(self, texts: np.ndarray) -> np.ndarray:
        """Tokens (texts, length), int32: cut at the end, and padded with 0."""
        if not len(texts):
            return np.zeros((0, self.length), np.int32)
        return np.concatenate(
            [keras.ops.convert_to_numpy(self._layer(part)) for part in _parts(texts)]
        ).astype(np.int32)

    def stream(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Windows of all texts one after the other, each ended by a 0, and the tokens that follow.

        Returns:
            Tokens (windows, length), int32, and for each the token after it, int64. The last few
            tokens, which fill no window, are left out.
        """
        rows = [np.append(row, 0) for row in self._rows(texts)]
        stream = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        windows = max(0, (len(stream) - 1) // self.length)
        used = stream[: windows * self.length + 1]
        x = used[:-1].reshape(windows, self.length).astype(np.int32)
        return x, used[1:].reshape(windows, self.length).astype(np.int64)

    def digest(self) -> str:
        """SHA-256 of the vocabulary, in its order."""
        return hashlib.sha256("\0".join(self.words).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Writes `vectorizer.keras`."""
        text = keras.Input((), dtype="string", name="text")
        keras.Model(text, self._layer(text), name="vectorizer").save(folder / FILE)

    def _rows(self, texts: np.ndarray) -> Iterator[np.ndarray]:
        """The tokens of each text, without padding."""
        for part in _parts(texts):
            for row in keras.ops.convert_to_numpy(self._layer(part)):
                used = np.flatnonzero(row)
                yield row[: used[-1] + 1 if len(used) else 0].astype(np.int64)


def _parts(texts: np.ndarray) -> Iterator[list[str]]:
    for start in range(0, len(texts), ROWS):
        yield texts[start : start + ROWS].tolist()


def _layer(config: DatasetConfig, length: int | None) -> keras.layers.TextVectorization:
    words = config.tokens == "word"
    return keras.layers.TextVectorization(
        max_tokens=config.vocabulary,
        standardize="lower_and_strip_punctuation" if words else None,
        split="whitespace" if words else "character",
        output_mode="int",
        output_sequence_length=length,
        name="tokens",
    )
