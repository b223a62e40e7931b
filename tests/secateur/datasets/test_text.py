"""Texts become tokens by the training split alone; the vectorizer that is kept gives the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.datasets.text import FILE, Vectorizer

TRAIN = np.array(["The cat sat.", "A cat ran!", "the dog", "the cat and the dog"], dtype=object)


def test_words_are_numbered_by_how_often_they_are():
    vectorizer = Vectorizer(TRAIN, DatasetConfig(text_length=4))
    assert vectorizer.words[:3] == ["the", "cat", "dog"]
    tokens = vectorizer.tokens(np.array(["The DOG, the bird", "cat", "a b c d e f"], dtype=object))
    assert tokens.dtype == np.int32
    assert tokens[0].tolist() == [2, 4, 2, 1]  # 1: a word that training does not have
    assert tokens[1].tolist() == [3, 0, 0, 0]
    assert tokens.shape == (3, 4)


def test_the_vocabulary_is_bounded():
    vectorizer = Vectorizer(TRAIN, DatasetConfig(vocabulary=4, text_length=4))
    assert vectorizer.size == 4
    assert vectorizer.tokens(TRAIN).max() == 3


def test_the_length_covers_nearly_all_texts():
    texts = np.array(["a b"] * 95 + ["a b c d e f g h"] * 5, dtype=object)
    assert Vectorizer(texts, DatasetConfig()).length == 8
    texts = np.array(["a b"] * 97 + ["a b c d e f g h"] * 3, dtype=object)
    assert Vectorizer(texts, DatasetConfig()).length == 2


def test_characters_in_windows_predict_the_next_one():
    config = DatasetConfig(task="language_model", tokens="character", text_length=3)
    vectorizer = Vectorizer(np.array(["ab", "abc", "a"], dtype=object), config)
    a, b, c = (vectorizer.words.index(letter) + 2 for letter in "abc")
    x, y = vectorizer.stream(np.array(["ab", "abc", "a"], dtype=object))
    assert x.tolist() == [[a, b, 0], [a, b, c]]  # each text ends with a 0
    assert y.tolist() == [[b, 0, a], [b, c, 0]]


@pytest.fixture(scope="module")
def languages(tmp_path_factory):
    pytest.importorskip("django")
    return materialize(DatasetConfig(name="languages"), tmp_path_factory.mktemp("languages"))


def test_the_languages_are_enough_and_mixed(languages):
    sizes = [len(split) for split in (languages.train, languages.validation, languages.test)]
    assert sum(sizes) >= 5000
    assert languages.classes == 16
    for split in (languages.train, languages.validation, languages.test):
        shares = np.bincount(split.y, minlength=16) / len(split)
        assert shares.min() > 0.03
        assert shares.max() < 0.1


def test_no_origin_is_in_two_splits():
    pytest.importorskip("django")
    from secateur.datasets.builders.languages import split_of, texts

    found = texts()
    places = {}
    for origin, text, _ in found:
        places.setdefault(text, set()).add(split_of(origin))
    assert all(len(splits) == 1 for splits in places.values())
    assert len({text for _, text, _ in found}) == len(found)  # no text twice, in any language


def test_no_single_word_tells_the_language():
    """The best rule "with this word it is this language, else that one" is near to chance."""
    pytest.importorskip("django")
    from collections import Counter, defaultdict

    from secateur.datasets.builders.languages import texts

    found = texts()
    by_word = defaultdict(Counter)
    everything = Counter(language for *_, language in found)
    for _, text, language in found:
        for word in set(text.lower().split()):
            by_word[word][language] += 1
    right = [
        max(counts.values()) + max(everything[name] - counts[name] for name in everything)
        for counts in by_word.values()
    ]
    assert max(right) / len(found) < 0.2


def test_the_kept_vectorizer_gives_the_stored_tokens(languages):
    from secateur.datasets.builders.languages import split_of, texts

    vectorizer = keras.saving.load_model(languages.folder / FILE)
    test = [text for origin, text, _ in texts() if split_of(origin) == "test"]
    stored = {tuple(row) for row in languages.test.x.tolist()}
    tokens = vectorizer(tf.constant(test)).numpy()
    assert {tuple(row) for row in tokens.tolist()} == stored


@pytest.mark.slow
def test_two_loads_give_the_same_tokens(languages, tmp_path):
    again = materialize(DatasetConfig(name="languages"), tmp_path)
    assert again.fingerprint() == languages.fingerprint()


def test_texts_without_a_word_are_told_with_their_row(tmp_path):
    path, out = tmp_path / "data.csv", tmp_path / "out"
    rows = [f"{'!!!' if k in (4, 9) else 'good word'},{k % 2}" for k in range(20)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    out.mkdir()
    with pytest.raises(ValueError, match=r"2 texts of 'data.csv' hold no word \(the first is") as e:
        materialize(DatasetConfig(path=str(path)), out)
    assert "row 5 of 'data.csv'" in str(e.value) or "row 10 of 'data.csv'" in str(e.value)
    config = DatasetConfig(path=str(path), tokens="character")
    data = materialize(config, out)
    assert data.shape == (9,)


def test_no_word_at_all():
    with pytest.raises(ValueError, match=r"No text of the training split of 'a.csv' holds a word"):
        Vectorizer(np.array(["!", "?"], dtype=object), DatasetConfig(path="a.csv"))


def test_a_very_long_text_beside_many_short_ones_is_cut_and_told(tmp_path):
    """All at once would be a table of 20,000 texts by 200,000 tokens."""
    path, out = tmp_path / "data.csv", tmp_path / "out"
    out.mkdir()
    rows = ["a b c" for _ in range(20_000)]
    rows[123] = "long " * 200_000
    path.write_text("text,label\n" + "\n".join(f"{t},{k % 2}" for k, t in enumerate(rows)) + "\n")
    data = materialize(DatasetConfig(path=str(path)), out)
    assert data.shape == (3,)
    (said,) = [notice for notice in data.info["notices"] if "longer" in notice]
    assert said.startswith("1 of 20,000 texts are longer than 3 tokens and are cut there")
    assert "(the longest has 200,000, row 124 of 'data.csv')" in said


_CHARACTERS = st.one_of(st.sampled_from("\n\r\t\x1c\x85\u2028 ,a"), st.characters(codec="utf-8"))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.text(_CHARACTERS, max_size=9), min_size=1, max_size=6),
    st.sampled_from(["word", "character"]),
    st.sampled_from([None, "language_model"]),
)
def test_whatever_is_in_a_text_is_in_the_kept_vectorizer(tmp_path_factory, texts, tokens, task):
    folder = tmp_path_factory.mktemp("kept")
    given = np.array([*texts, "an a"], dtype=object)
    vectorizer = Vectorizer(given, DatasetConfig(tokens=tokens, task=task))
    vectorizer.save(folder)
    kept = keras.saving.load_model(folder / FILE)
    assert kept.get_layer("tokens").get_vocabulary()[2:] == vectorizer.words
    found = kept(tf.constant(given.tolist())).numpy()
    wanted = vectorizer.tokens(given)
    np.testing.assert_array_equal(found, wanted[:, : found.shape[1]])
