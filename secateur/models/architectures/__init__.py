"""The built-in architectures: builders `(input_shape, classes) -> keras.Model` of logits."""

from secateur.models.architectures.lenet import lenet_5, lenet_300_100
from secateur.models.architectures.resnet import resnet_20
from secateur.models.architectures.simple_net import simple_net

REGISTRY = True  # the cache key of a stage that builds one counts this whole folder

BUILDERS = {
    "simple_net": simple_net,
    "lenet_300_100": lenet_300_100,
    "lenet_5": lenet_5,
    "resnet_20": resnet_20,
}
