"""A step for every public class of `keras.layers`, from which random models are composed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

L = keras.layers
WORDS = ["a", "b", "cat", "dog", "the sun", ""]
SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "vector": ((5,), "float32"),
    "sequence": ((6, 4), "float32"),
    "image": ((6, 6, 3), "float32"),
    "volume": ((4, 5, 5, 2), "float32"),
    "film": ((3, 4, 4, 4, 2), "float32"),
    "picture": ((8, 8, 3), "float32"),
    "signal": ((64,), "float32"),
    "tokens": ((6,), "int32"),
    "words": ((3,), "string"),
    "text": ((1,), "string"),
}
"""Form of a tensor -> shape of an example, and type, of an input of that form."""

OUT: dict[str, str] = {
    **dict.fromkeys(("Layer", "Wrapper"), "abstract: own layers are drawn as OwnLayer"),
    "TFSMLayer": "holds a SavedModel's graph, whose weights Keras does not know",
    "FlaxLayer": "runs on the JAX backend alone",
    "JaxLayer": "runs on the JAX backend alone",
    "TorchModuleWrapper": "runs on the torch backend alone",
    "Equalization": "hands its input on when a graph is made, so that Keras leaves it out of it",
    "MaxNumBoundingBoxes": "takes boxes beside images, and gives no tensor of numbers",
}
"""Public names that no step draws, and why."""


class Step(NamedTuple):
    """Something that takes a tensor of a form, and gives one of another.

    Attributes:
        takes: Form of its tensor.
        gives: Form of what it gives.
        make: (tensor, a number that picks options) -> tensor.
    """

    takes: str
    gives: str
    make: Callable[[Any, int], Any]


STEPS: dict[str, Step] = {}


def _all(takes: str, gives: str | None = None, **makers: Callable[[int], Any]) -> None:
    for name, maker in makers.items():
        STEPS[name] = Step(takes, gives or takes, lambda x, n, m=maker: m(n)(x))


def adapted(layer: Any, values: Any) -> Any:
    """A preprocessing layer that has seen some values."""
    layer.adapt(np.asarray(values))
    return layer


def _numbers() -> np.ndarray:
    return np.random.default_rng(0).normal(3, 2, (40, 5)).astype("float32")


_all(
    "vector",
    Dense=lambda n: L.Dense(4 + n % 3, activation=[None, "tanh", "relu"][n % 3]),
    Activation=lambda n: L.Activation(["tanh", "gelu"][n % 2]),
    ELU=lambda n: L.ELU(),
    LeakyReLU=lambda n: L.LeakyReLU(),
    PReLU=lambda n: L.PReLU(),
    ReLU=lambda n: L.ReLU(),
    Softmax=lambda n: L.Softmax(),
    Dropout=lambda n: L.Dropout(0.2),
    AlphaDropout=lambda n: L.AlphaDropout(0.2),
    GaussianDropout=lambda n: L.GaussianDropout(0.2),
    GaussianNoise=lambda n: L.GaussianNoise(0.2),
    ActivityRegularization=lambda n: L.ActivityRegularization(0.01),
    BatchNormalization=lambda n: L.BatchNormalization(scale=bool(n % 2)),
    LayerNormalization=lambda n: L.LayerNormalization(),
    RMSNormalization=lambda n: L.RMSNormalization(),
    UnitNormalization=lambda n: L.UnitNormalization(),
    Identity=lambda n: L.Identity(),
    Lambda=lambda n: L.Lambda(lambda x: x * 2.0 + 1.0),
    SpectralNormalization=lambda n: L.SpectralNormalization(L.Dense(5)),
    Rescaling=lambda n: L.Rescaling(0.5, 1.0),
)
_all("vector", "sequence", RepeatVector=lambda n: L.RepeatVector(6))
STEPS["Normalization"] = Step(
    "vector", "vector", lambda x, n: adapted(L.Normalization(), _numbers())(L.Dense(5)(x))
)
STEPS["Discretization"] = Step(
    "vector",
    "tokens",
    lambda x, n: adapted(L.Discretization(num_bins=6), _numbers())(L.Dense(5)(x)),
)
_CELLS = (L.LSTMCell, L.GRUCell, L.SimpleRNNCell)


def _recurrent(kind: Any) -> Callable[[int], Any]:
    return lambda n: kind(
        3 + n % 2, return_sequences=True, go_backwards=n % 5 == 4, unroll=n % 7 == 6
    )


_all(
    "sequence",
    Conv1D=lambda n: L.Conv1D(4, 1 + n % 3, padding=["same", "causal"][n % 2]),
    Conv1DTranspose=lambda n: L.Conv1DTranspose(3, 2, padding="same"),
    SeparableConv1D=lambda n: L.SeparableConv1D(4, 3, padding="same", depth_multiplier=1 + n % 2),
    DepthwiseConv1D=lambda n: L.DepthwiseConv1D(3, padding="same", depth_multiplier=1 + n % 2),
    MaxPooling1D=lambda n: L.MaxPooling1D(2, padding="same"),
    AveragePooling1D=lambda n: L.AveragePooling1D(2, strides=1, padding="same"),
    AdaptiveAveragePooling1D=lambda n: L.AdaptiveAveragePooling1D(3),
    AdaptiveMaxPooling1D=lambda n: L.AdaptiveMaxPooling1D(3),
    Cropping1D=lambda n: lambda x: L.Cropping1D(1)(L.ZeroPadding1D(1)(x)),
    ZeroPadding1D=lambda n: L.ZeroPadding1D((n % 2, 1)),
    UpSampling1D=lambda n: L.UpSampling1D(2),
    SpatialDropout1D=lambda n: L.SpatialDropout1D(0.2),
    Masking=lambda n: L.Masking(),
    LSTM=_recurrent(L.LSTM),
    GRU=_recurrent(L.GRU),
    SimpleRNN=_recurrent(L.SimpleRNN),
    RNN=lambda n: L.RNN(_CELLS[n % 3](3), return_sequences=True),
    **{
        kind.__name__: lambda n, kind=kind: L.RNN(kind(4), return_sequences=True) for kind in _CELLS
    },
    StackedRNNCells=lambda n: L.RNN(
        L.StackedRNNCells([L.GRUCell(3), L.LSTMCell(4)]), return_sequences=True
    ),
    Bidirectional=lambda n: L.Bidirectional(
        L.LSTM(3, return_sequences=True), merge_mode=["concat", "sum"][n % 2]
    ),
    TimeDistributed=lambda n: L.TimeDistributed(L.Dense(3, activation="tanh")),
    MultiHeadAttention=lambda n: lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=n % 2),
    GroupQueryAttention=lambda n: lambda x: L.GroupQueryAttention(3, 4, 2)(x, x),
    Attention=lambda n: lambda x: L.Attention(use_scale=bool(n % 2))([x, x]),
    AdditiveAttention=lambda n: lambda x: L.AdditiveAttention()([x, x]),
    EinsumDense=lambda n: L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"),
    Permute=lambda n: L.Permute((2, 1)),
    GroupNormalization=lambda n: lambda x: L.GroupNormalization(2)(L.Dense(4)(x)),
)
_all(
    "sequence",
    "vector",
    Flatten=lambda n: L.Flatten(),
    GlobalMaxPooling1D=lambda n: L.GlobalMaxPooling1D(),
    GlobalAveragePooling1D=lambda n: L.GlobalAveragePooling1D(),
)
_all(
    "image",
    Conv2D=lambda n: L.Conv2D(4, 1 + n % 3, padding="same", activation="relu"),
    Conv2DTranspose=lambda n: L.Conv2DTranspose(3, 2, padding="same"),
    SeparableConv2D=lambda n: L.SeparableConv2D(4, 3, padding="same"),
    DepthwiseConv2D=lambda n: L.DepthwiseConv2D(3, padding="same", depth_multiplier=1 + n % 2),
    MaxPooling2D=lambda n: L.MaxPooling2D(2, padding="same"),
    AveragePooling2D=lambda n: L.AveragePooling2D(2, padding="same"),
    AdaptiveAveragePooling2D=lambda n: L.AdaptiveAveragePooling2D(3),
    AdaptiveMaxPooling2D=lambda n: L.AdaptiveMaxPooling2D(3),
    Cropping2D=lambda n: lambda x: L.Cropping2D(1)(L.ZeroPadding2D(1)(x)),
    ZeroPadding2D=lambda n: L.ZeroPadding2D(1),
    UpSampling2D=lambda n: L.UpSampling2D(2),
    SpatialDropout2D=lambda n: L.SpatialDropout2D(0.2),
    ConvLSTM1D=lambda n: L.ConvLSTM1D(3, 2, padding="same", return_sequences=True),
)
STEPS["Reshape"] = Step("image", "sequence", lambda x, n: L.Reshape((-1, x.shape[-1]))(x))
_all(
    "image",
    "vector",
    GlobalMaxPooling2D=lambda n: L.GlobalMaxPooling2D(),
    GlobalAveragePooling2D=lambda n: L.GlobalAveragePooling2D(),
)
_all(
    "volume",
    Conv3D=lambda n: L.Conv3D(3, 2, padding="same"),
    Conv3DTranspose=lambda n: L.Conv3DTranspose(3, 2, padding="same"),
    MaxPooling3D=lambda n: L.MaxPooling3D(2, padding="same"),
    AveragePooling3D=lambda n: L.AveragePooling3D(2, padding="same"),
    AdaptiveAveragePooling3D=lambda n: L.AdaptiveAveragePooling3D(2),
    AdaptiveMaxPooling3D=lambda n: L.AdaptiveMaxPooling3D(2),
    Cropping3D=lambda n: lambda x: L.Cropping3D(1)(L.ZeroPadding3D(1)(x)),
    ZeroPadding3D=lambda n: L.ZeroPadding3D(1),
    UpSampling3D=lambda n: L.UpSampling3D(2),
    SpatialDropout3D=lambda n: L.SpatialDropout3D(0.2),
    ConvLSTM2D=lambda n: L.ConvLSTM2D(3, 2, padding="same", return_sequences=True),
)
_all(
    "volume",
    "vector",
    GlobalMaxPooling3D=lambda n: L.GlobalMaxPooling3D(),
    GlobalAveragePooling3D=lambda n: L.GlobalAveragePooling3D(),
)
_all("film", "volume", ConvLSTM3D=lambda n: L.ConvLSTM3D(2, 2, padding="same"))
_all(
    "picture",
    "image",
    Resizing=lambda n: L.Resizing(6, 5),
    CenterCrop=lambda n: L.CenterCrop(6, 6),
    RandomCrop=lambda n: L.RandomCrop(6, 6),
    AugMix=lambda n: L.AugMix(),
    AutoContrast=lambda n: L.AutoContrast(),
    ContrastLimitedAdaptiveHistogramEqualization=lambda n: (
        L.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
    ),
    CutMix=lambda n: L.CutMix(),
    MixUp=lambda n: L.MixUp(),
    RandAugment=lambda n: L.RandAugment(),
    RandomBrightness=lambda n: L.RandomBrightness(0.2),
    RandomColorDegeneration=lambda n: L.RandomColorDegeneration(0.2),
    RandomColorJitter=lambda n: L.RandomColorJitter(brightness_factor=0.2, hue_factor=0.1),
    RandomContrast=lambda n: L.RandomContrast(0.2),
    RandomElasticTransform=lambda n: L.RandomElasticTransform(),
    RandomErasing=lambda n: L.RandomErasing(),
    RandomFlip=lambda n: L.RandomFlip(seed=n),
    RandomGaussianBlur=lambda n: L.RandomGaussianBlur(),
    RandomGrayscale=lambda n: L.RandomGrayscale(),
    RandomHue=lambda n: L.RandomHue(0.2),
    RandomInvert=lambda n: L.RandomInvert(),
    RandomPerspective=lambda n: L.RandomPerspective(),
    RandomPosterization=lambda n: L.RandomPosterization(4),
    RandomRotation=lambda n: L.RandomRotation(0.1),
    RandomSaturation=lambda n: L.RandomSaturation(0.2),
    RandomSharpness=lambda n: L.RandomSharpness(0.2),
    RandomShear=lambda n: L.RandomShear((0.0, 0.1), (0.0, 0.1)),
    RandomTranslation=lambda n: L.RandomTranslation(0.1, 0.1),
    RandomZoom=lambda n: L.RandomZoom(0.1),
    Solarization=lambda n: L.Solarization(),
    Pipeline=lambda n: L.Pipeline([L.Rescaling(1 / 255), L.RandomFlip()]),
)
_all(
    "signal",
    "sequence",
    STFTSpectrogram=lambda n: (
        lambda x: L.STFTSpectrogram(frame_length=16, frame_step=8, fft_length=16)(
            keras.ops.expand_dims(x, -1)
        )
    ),
    MelSpectrogram=lambda n: L.MelSpectrogram(
        fft_length=16, sequence_stride=8, sequence_length=16, num_mel_bins=4
    ),
)
_all(
    "tokens",
    "sequence",
    Embedding=lambda n: L.Embedding(9, 4, mask_zero=bool(n % 2)),
    ReversibleEmbedding=lambda n: L.ReversibleEmbedding(9, 4),
)
_all(
    "tokens",
    "vector",
    CategoryEncoding=lambda n: L.CategoryEncoding(9, output_mode=["multi_hot", "count"][n % 2]),
)
_all("tokens", IntegerLookup=lambda n: adapted(L.IntegerLookup(), [1, 3, 5, 6]))
_all(
    "words",
    "tokens",
    StringLookup=lambda n: adapted(L.StringLookup(), WORDS[:5]),
    Hashing=lambda n: L.Hashing(7),
)
STEPS["HashedCrossing"] = Step(
    "words",
    "vector",
    lambda x, n: L.HashedCrossing(5, output_mode="one_hot")([x[:, :1], x[:, 1:2]]),
)
_all(
    "text",
    "tokens",
    TextVectorization=lambda n: adapted(
        L.TextVectorization(max_tokens=9, output_sequence_length=6), WORDS
    ),
)
for _merging in (L.Add, L.Average, L.Maximum, L.Minimum, L.Multiply, L.Subtract, L.Concatenate):
    STEPS[_merging.__name__] = Step(
        "vector",
        "vector",
        lambda x, n, m=_merging: m()([x, L.Dense(x.shape[-1], activation="tanh")(x)]),
    )
STEPS["Dot"] = Step(
    "sequence", "sequence", lambda x, n: L.Dot(axes=(2, 2))([x, L.Dense(x.shape[-1])(x)])
)


@keras.saving.register_keras_serializable("drawn")
class OwnLayer(L.Layer):
    """A user's layer with layers in a list, a weight of its own and a buffer."""

    def __init__(self, units: int = 4, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.parts = [L.Dense(units, activation="tanh"), L.Dense(units)]

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")
        for part in self.parts:
            part.build(shape)
            shape = (*shape[:-1], self.units)
        self.built = True

    def call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x * self.scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("drawn")
class OwnModel(keras.Model):
    """A subclassed model, as a part of others."""

    def __init__(self, units: int = 4, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.head, self.norm = L.Dense(units), L.LayerNormalization()

    def build(self, shape: Any) -> None:
        self.head.build(shape)
        self.norm.build((*shape[:-1], self.units))
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        return keras.ops.tanh(self.norm(self.head(x)))

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "name": self.name}


def _nested(x: Any, n: int) -> Any:
    inner = keras.Input(x.shape[1:])
    first = L.Dense(4, activation="relu")(inner)
    made = keras.Model(inner, L.Dense(x.shape[-1])(L.BatchNormalization()(first)))
    if n % 2:
        made = keras.Sequential([keras.Input(x.shape[1:]), made, L.Dropout(0.1)])
    return made(x)


def _shared(x: Any, n: int) -> Any:
    twice = L.Dense(x.shape[-1], activation="tanh")
    return twice(keras.ops.relu(twice(x)))


def _folded(x: Any, n: int) -> Any:
    """Windows of two steps in the first axis."""
    steps, channels = 2 * (x.shape[1] // 2), x.shape[2]
    z = L.Dense(4, activation="tanh")(keras.ops.reshape(x[:, :steps], (-1, 2, channels)))
    return keras.ops.reshape(z, (-1, steps, 4))


def _siamese(x: Any, n: int) -> Any:
    both = keras.ops.concatenate([x, -x], axis=0)
    a, b = keras.ops.split(L.Dense(4, activation="tanh")(both), 2, axis=0)
    return keras.ops.abs(a - b)


COMPOUND: dict[str, Step] = {
    "own layer": Step("vector", "vector", lambda x, n: OwnLayer(3 + n % 2)(x)),
    "own model": Step("vector", "vector", lambda x, n: OwnModel(3 + n % 2)(x)),
    "nested": Step("vector", "vector", _nested),
    "shared": Step("vector", "vector", _shared),
    "folded": Step("sequence", "sequence", _folded),
    "siamese": Step("vector", "vector", _siamese),
    "last step": Step("sequence", "vector", lambda x, n: L.GRU(3)(x)),
    "frames": Step("image", "sequence", lambda x, n: L.TimeDistributed(L.GRU(3))(x)),
    "raw": Step("vector", "vector", lambda x, n: keras.ops.tanh(x) * 2.0 - x),
}
"""Steps that are no class of Keras's."""
