"""The built-in architectures."""

from secateur.models.architectures.lenet import lenet_5, lenet_300_100
from secateur.models.architectures.resnet import resnet_20
from secateur.models.architectures.simple_net import simple_net
from secateur.models.architectures.tabular import tabular_mlp
from secateur.models.architectures.text import text_cnn, text_lstm, text_transformer
from secateur.models.architectures.transformer import gpt

REGISTRY = True  # the cache key of a stage that builds one counts this whole folder

BUILDERS = {
    "simple_net": simple_net,
    "lenet_300_100": lenet_300_100,
    "lenet_5": lenet_5,
    "resnet_20": resnet_20,
}
"""Of numbers: `(input_shape, classes) -> keras.Model` of logits."""

TABLE_BUILDERS = {"tabular_mlp": tabular_mlp}
"""Of tables: `(input_shape, classes, traits)`."""

TEXT_BUILDERS = {
    "text_cnn": text_cnn,
    "text_lstm": text_lstm,
    "text_transformer": text_transformer,
    "gpt": gpt,
}
"""Of tokens: `(length, vocabulary, classes)`."""
