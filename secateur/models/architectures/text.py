"""Classifiers of texts as tokens: `(length, vocabulary, classes) -> keras.Model` of logits."""

from __future__ import annotations

import keras

from secateur.models.architectures.transformer import block, embedded

layers = keras.layers


def text_cnn(length: int, vocabulary: int, classes: int) -> keras.Model:
    """Kim 2014, "Convolutional neural networks for sentence classification".

    Embedding 64, convolutions over 3, 4 and 5 tokens of 64 channels each, the largest value of
    each channel, dropout, and one logit a class.

    Args:
        length: Tokens of a text.
        vocabulary: Tokens there are.
        classes: Number of classes.
    """
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary, 64, name="embedding")(tokens)
    found = []
    for size in (3, 4, 5):
        y = layers.Conv1D(64, size, padding="same", activation="relu", name=f"conv_{size}")(x)
        found.append(layers.GlobalMaxPooling1D(name=f"pool_{size}")(y))
    x = layers.Dropout(0.3, name="dropout")(layers.Concatenate(name="joined")(found))
    return keras.Model(tokens, layers.Dense(classes, name="logits")(x), name="text_cnn")


def text_lstm(length: int, vocabulary: int, classes: int) -> keras.Model:
    """Embedding 64, an LSTM of 64 units each way, the largest values, and one logit a class.

    Args:
        length: Tokens of a text.
        vocabulary: Tokens there are.
        classes: Number of classes.
    """
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary, 64, name="embedding")(tokens)
    lstm = layers.LSTM(64, return_sequences=True, name="lstm")
    x = layers.GlobalMaxPooling1D(name="pool")(layers.Bidirectional(lstm, name="both_ways")(x))
    x = layers.Dropout(0.3, name="dropout")(x)
    return keras.Model(tokens, layers.Dense(classes, name="logits")(x), name="text_lstm")


def text_transformer(length: int, vocabulary: int, classes: int) -> keras.Model:
    """Two blocks of a Transformer encoder, width 64, 4 heads; the largest values; logits.

    Args:
        length: Tokens of a text.
        vocabulary: Tokens there are.
        classes: Number of classes.
    """
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = embedded(tokens, length, vocabulary, 64)
    for number in (1, 2):
        x = block(x, 64, 4, f"block_{number}")
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.GlobalMaxPooling1D(name="pool")(x))
    return keras.Model(tokens, layers.Dense(classes, name="logits")(x), name="text_transformer")
