"""Real architectures at small sizes: the families of keras.applications, and those built here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from secateur import structure

L = keras.layers
ops = keras.ops


class Positions(L.Layer):
    """Adds a learned vector to each position: a layer of a user's own, with its rule below."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.table = self.add_weight(shape=shape[1:], initializer="random_normal", name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


keras.saving.register_keras_serializable("zoo")(Positions)


@structure.rule(Positions)
def positions(site: Any) -> list[Any]:
    site.scales(site.op.table, 1, site.x[-1])  # one number a channel, at each position
    return [site.x]


def _block(x: Any, heads: int, width: int, name: str, memory: Any = None, causal: bool = False):
    """A Transformer block before whose parts the input is normalised."""
    y = L.LayerNormalization(name=f"{name}_norm_1")(x)
    attend = L.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")
    x = x + attend(y, y, use_causal_mask=causal)
    if memory is not None:
        y = L.LayerNormalization(name=f"{name}_norm_cross")(x)
        x = x + L.MultiHeadAttention(heads, width // heads, name=f"{name}_cross")(y, memory)
    y = L.LayerNormalization(name=f"{name}_norm_2")(x)
    y = L.Dense(4 * width, activation="gelu", name=f"{name}_up")(y)
    return x + L.Dense(width, name=f"{name}_down")(L.Dropout(0.1)(y))


def vit(depth: int = 2, width: int = 32, heads: int = 4, size: int = 32) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    x = L.Conv2D(width, 8, strides=8, name="patches")(inputs)
    x = Positions(name="positions")(L.Reshape((-1, width))(x))
    for i in range(depth):
        x = _block(x, heads, width, f"block_{i}")
    x = L.GlobalAveragePooling1D()(L.LayerNormalization(name="norm")(x))
    return keras.Model(inputs, L.Dense(5, name="logits")(x), name="vit")


def gpt(depth: int = 2, width: int = 32, heads: int = 4) -> keras.Model:
    tokens = keras.Input((12,), dtype="int32")
    x = Positions(name="positions")(L.Embedding(50, width, name="embedding")(tokens))
    for i in range(depth):
        x = _block(x, heads, width, f"block_{i}", causal=True)
    x = L.LayerNormalization(name="norm")(x)
    return keras.Model(tokens, L.Dense(50, name="logits")(x), name="gpt")


def encoder_decoder(width: int = 32, heads: int = 4) -> keras.Model:
    source, target = keras.Input((10,), dtype="int32"), keras.Input((8,), dtype="int32")
    memory = L.Embedding(50, width, name="source_embedding")(source)
    memory = L.LayerNormalization(name="encoded")(_block(memory, heads, width, "encoder"))
    x = L.Embedding(50, width, name="target_embedding")(target)
    x = _block(x, heads, width, "decoder", memory=memory, causal=True)
    return keras.Model([source, target], L.Dense(50, name="logits")(x), name="encoder_decoder")


def u_net(width: int = 8) -> keras.Model:
    def twice(x: Any, n: int) -> Any:
        for _ in range(2):
            x = L.BatchNormalization()(L.Conv2D(n, 3, padding="same", activation="relu")(x))
        return x

    inputs = keras.Input((32, 32, 3))
    x, skips = inputs, []
    for level in range(3):
        x = twice(x, width << level)
        skips.append(x)
        x = L.MaxPooling2D(2)(x)
    x = twice(x, width << 3)
    for level in reversed(range(3)):
        x = L.Conv2DTranspose(width << level, 2, strides=2)(x)
        x = twice(L.Concatenate()([skips[level], x]), width << level)
    return keras.Model(inputs, L.Conv2D(2, 1, name="mask")(x), name="u_net")


def two_tower() -> keras.Model:
    user, item = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    age = keras.Input((3,))
    u = L.Concatenate()([L.Flatten()(L.Embedding(50, 16)(user)), L.Dense(8)(age)])
    u = L.Dense(16)(L.Dense(32, activation="relu")(u))
    v = L.Flatten()(L.Embedding(50, 16)(item))
    v = L.Dense(16)(L.Dense(32, activation="relu")(v))
    score = L.Dot(axes=1)([u, v])
    return keras.Model([user, item, age], score, name="two_tower")


def lstm_classifier() -> keras.Model:
    tokens = keras.Input((12,), dtype="int32")
    x = L.Embedding(50, 16)(tokens)
    x = L.Bidirectional(L.LSTM(12, return_sequences=True))(x)
    x = L.Dense(16, activation="relu")(L.LSTM(16)(x))
    return keras.Model(tokens, L.Dense(4)(x), name="lstm_classifier")


def _application(name: str, size: int) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        return getattr(keras.applications, name)(
            weights=None,
            input_shape=(size, size, 3),
            classes=10,
            classifier_activation=None,
        )

    return build


BUILT_HERE: dict[str, Callable[[], keras.Model]] = {
    "ViT": vit,
    "GPT": gpt,
    "EncoderDecoder": encoder_decoder,
    "UNet": u_net,
    "TwoTower": two_tower,
    "LSTMClassifier": lstm_classifier,
}

APPLICATIONS: dict[str, Callable[[], keras.Model]] = {
    name: _application(name, 75 if "Inception" in name or name == "Xception" else 32)
    for name in (
        "VGG16",
        "ResNet50",
        "ResNet50V2",
        "DenseNet121",
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Small",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "InceptionV3",
        "InceptionResNetV2",
        "Xception",
        "NASNetMobile",
        "ConvNeXtTiny",
    )
}
