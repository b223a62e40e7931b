"""Texts -> tokens, by Keras's TextVectorization over the training split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
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
_CHARACTERS = 1 << 23  # of texts, as long as the longest of them, that are taken apart at a time


class Vectorizer:
    """Takes texts apart, with a vocabulary of the training split.

    Token 0 pads; 1 stands for everything that is not in the vocabulary. Models take the tokens,
    not the strings: so they can be pruned, exported and run anywhere, and `vectorizer.keras` lies
    beside them for the strings.

    Args:
        train: Texts of the training split, not empty.
        config: How to take them apart.

    Raises:
        ValueError: One sentence: none of the texts has a token.
    """

    def __init__(self, train: np.ndarray, config: DatasetConfig):
        adapted = _layer(config, None)
        adapted.adapt(train.tolist())
        # NumPy takes zeros from the ends of strings: such words are unknown ones.
        found = map(str, adapted.get_vocabulary(include_special_tokens=False))
        words = [word for word in dict.fromkeys(found) if word]
        self.size = len(words) + 2
        self.words = words
        if not words:
            raise ValueError(
                f"No text of the training split of {config.label!r} holds a {config.tokens}; "
                "choose another column by dataset.features, or dataset.tokens character."
            )
        self.length = config.text_length or _CONTEXT
        self._layer = self._open = _layer(config, None, words)
        if config.task == "language_model":
            return
        if config.text_length is None:
            covered = np.quantile(self.lengths(train), _COVERED, method="higher")
            self.length = max(2, min(_LONGEST, int(covered)))
        self._layer = _layer(config, self.length, words)

    def tokens(self, texts: np.ndarray) -> np.ndarray:
        """Tokens (texts, length), int32: cut at the end, and padded with 0."""
        if not len(texts):
            return np.zeros((0, self.length), np.int32)
        return np.concatenate(
            [keras.ops.convert_to_numpy(self._layer(part)) for part in _parts(texts)]
        ).astype(np.int32)

    def lengths(self, texts: np.ndarray) -> np.ndarray:
        """Tokens of each text before it is cut, int64."""
        return np.array([len(row) for row in self._rows(texts)], np.int64)

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
            for row in keras.ops.convert_to_numpy(self._open(part)):
                used = np.flatnonzero(row)
                yield row[: used[-1] + 1 if len(used) else 0].astype(np.int64)


def _parts(texts: np.ndarray) -> Iterator[list[str]]:
    """Texts in their order, not too many at a time: all become as long as the longest."""
    part: list[str] = []
    longest = 0
    for text in texts:
        longest = max(longest, len(text))
        if part and (len(part) == ROWS or longest * (len(part) + 1) > _CHARACTERS):
            yield part
            part, longest = [], len(text)
        part.append(text)
    if part:
        yield part


def check_tokens(
    lengths: Mapping[str, np.ndarray],
    vectorizer: Vectorizer,
    config: DatasetConfig,
    where: Callable[[str, int], str],
) -> list[str]:
    """Refuses texts without a token, and tells of those that are cut.

    Args:
        lengths: Tokens of each text, by split.
        vectorizer: What takes the texts apart.
        config: How.
        where: A split and the place of a text in it -> `row 3 of 'a.csv'`.

    Returns:
        Sentences.

    Raises:
        ValueError: One sentence, with the first of them.
    """
    empty = {split: each == 0 for split, each in lengths.items()}
    if count := sum(int(each.sum()) for each in empty.values()):
        split = next(split for split, each in empty.items() if each.any())
        raise ValueError(
            f"{count:,} texts of {config.label!r} hold no {config.tokens} (the first is "
            f"{where(split, int(empty[split].argmax()))}); leave them out"
            f"{', or give dataset.tokens character' if config.tokens == 'word' else ''}."
        )
    total = sum(len(each) for each in lengths.values())
    cut = sum(int((each > vectorizer.length).sum()) for each in lengths.values())
    if not cut:
        return []
    split = max(lengths, key=lambda name: lengths[name].max(initial=0))
    longest = int(lengths[split].argmax())
    return [
        f"{cut:,} of {total:,} texts are longer than {vectorizer.length} tokens and are cut there "
        f"(the longest has {lengths[split][longest]:,}, {where(split, longest)}); "
        "dataset.text_length keeps more."
    ]


def _layer(
    config: DatasetConfig, length: int | None, vocabulary: list[str] | None = None
) -> keras.layers.TextVectorization:
    """A layer whose vocabulary, where it is given, is part of its config.

    One that is set or adapted is saved a line a token, and a line break is a token, too.
    """
    words = config.tokens == "word"
    return keras.layers.TextVectorization(
        max_tokens=config.vocabulary,
        standardize="lower_and_strip_punctuation" if words else None,
        split="whitespace" if words else "character",
        output_mode="int",
        output_sequence_length=length,
        vocabulary=vocabulary,
        name="tokens",
    )
