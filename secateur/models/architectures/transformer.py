"""What Transformers are made of, and a small GPT."""

from __future__ import annotations

import keras

layers = keras.layers


def gpt(length: int, vocabulary: int, classes: int) -> keras.Model:
    """A small GPT (Radford et al. 2019): four blocks of width 64, 4 heads; logits of each token.

    Args:
        length: Tokens of a context.
        vocabulary: Tokens there are.
        classes: Tokens that can come next.
    """
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = embedded(tokens, length, vocabulary, 64)
    for number in range(1, 5):
        x = block(x, 64, 4, f"block_{number}", causal=True)
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(tokens, layers.Dense(classes, name="logits")(x), name="gpt")


def embedded(
    tokens: keras.KerasTensor, length: int, vocabulary: int, width: int
) -> keras.KerasTensor:
    """Tokens as vectors that know their place.

    The places are the bias of a projection, one vector for each: a layer of Keras's own, so that
    the model's file needs none of this package.
    """
    x = layers.Embedding(vocabulary, width, name="embedding")(tokens)
    return layers.EinsumDense("abc,cd->abd", (length, width), bias_axes="bd", name="positions")(x)


def block(
    x: keras.KerasTensor, width: int, heads: int, name: str, causal: bool = False
) -> keras.KerasTensor:
    """Attention, then two dense layers; each normalised before, and added to what went in.

    Args:
        x: Shape (batch, length, width).
        width: Of the whole; the inner dense layer has four times as many units.
        heads: A divisor of `width`.
        name: Start of the layers' names.
        causal: Whether a token sees only those before it.
    """
    y = layers.LayerNormalization(name=f"{name}_norm_1")(x)
    attention = layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")
    x = layers.Add(name=f"{name}_add_1")([x, attention(y, y, use_causal_mask=causal)])
    y = layers.LayerNormalization(name=f"{name}_norm_2")(x)
    y = layers.Dense(4 * width, activation="gelu", name=f"{name}_inner")(y)
    y = layers.Dense(width, name=f"{name}_outer")(y)
    return layers.Add(name=f"{name}_add_2")([x, y])
