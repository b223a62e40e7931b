"""Rules of convolutions, of pooling and of all that treats the channels one by one in space."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import image as image_ops
from keras.src.ops import nn as nn_ops

from secateur.structure.labels import Axes, Labels
from secateur.structure.rules import activation, rule
from secateur.structure.rules_dense import plain
from secateur.structure.site import Site


@rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def conv(site: Site) -> list[Axes]:
    plain(site)
    layer: Any = site.op
    kernel, channel = layer._kernel, site.channel_axis()
    rank, x = len(kernel.shape), site.x[channel]
    site.only(site.x, channel)
    y = site.makes(kernel, rank - 1)
    site.made_by(layer.bias, 0, y)
    if layer.groups == 1:
        site.reads(kernel, rank - 2, x)
    else:
        _grouped(site, x, y, layer.groups, kernel, rank - 2)
    site.width("filters", y)
    activation(site, layer.activation, y)
    return [_spatial(site, channel, y)]


def _grouped(site: Site, x: Any, y: Any, groups: int, kernel: Any, axis: int) -> None:
    """Whole groups go, or the same channels of each group: whatever leaves more to choose from."""
    if x is None:
        site.pin(y, f"the groups of '{site.path}' belong to a fixed width")
        return
    xs, ys = x.reshape(groups, -1), y.reshape(groups, -1)
    if groups >= xs.shape[1]:
        site.tie(xs, np.broadcast_to(xs[:, :1], xs.shape))
        site.tie(ys, np.broadcast_to(xs[:, :1], ys.shape))
        group = xs[:, 0]
        site.configure("groups", lambda count: count(group, groups), group)
        site.reads(kernel, axis, None)
    else:
        site.tie(xs, np.broadcast_to(xs[:1], xs.shape))
        site.tie(ys, np.broadcast_to(ys[:1], ys.shape))
        site.reads(kernel, axis, xs[0])


def _spatial(site: Site, channel: int, y: Labels | None) -> Axes:
    axes: list = [None] * len(site.out_shapes[0])
    axes[channel] = y
    return tuple(axes)


@rule(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def transposed(site: Site) -> list[Axes]:
    layer: Any = site.op
    kernel, channel = layer.kernel, site.channel_axis()
    rank = len(kernel.shape)
    site.only(site.x, channel)
    site.reads(kernel, rank - 1, site.x[channel])
    y = site.makes(kernel, rank - 2)
    site.made_by(layer.bias, 0, y)
    site.width("filters", y)
    activation(site, layer.activation, y)
    return [_spatial(site, channel, y)]


@rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def depthwise(site: Site) -> list[Axes]:
    layer: Any = site.op
    channel = site.channel_axis()
    x = site.x[channel]
    site.only(site.x, channel)
    axis = len(layer.kernel.shape) - 2
    site.scales(layer.kernel, axis, x)
    y = None
    if x is not None:
        y = site.fresh(np.repeat(x, layer.depth_multiplier))
    site.scales(layer.bias, 0, y)
    activation(site, layer.activation, y)
    return [_spatial(site, channel, y)]


@rule(layers.SeparableConv1D, layers.SeparableConv2D)
def separable(site: Site) -> list[Axes]:
    layer: Any = site.op
    channel = site.channel_axis()
    x = site.x[channel]
    site.only(site.x, channel)
    rank = len(layer.depthwise_kernel.shape)
    site.scales(layer.depthwise_kernel, rank - 2, x)
    inner = None if x is None else np.repeat(x, layer.depth_multiplier)
    site.reads(layer.pointwise_kernel, rank - 2, inner)
    y = site.makes(layer.pointwise_kernel, rank - 1)
    site.made_by(layer.bias, 0, y)
    site.width("filters", y)
    activation(site, layer.activation, y)
    return [_spatial(site, channel, y)]


_SPATIAL = [
    f"{name}{rank}D"
    for rank in (1, 2, 3)
    for name in (
        "MaxPooling",
        "AveragePooling",
        "UpSampling",
        "Cropping",
        "ZeroPadding",
        "AdaptiveAveragePooling",
        "AdaptiveMaxPooling",
    )
]


@rule(
    *(getattr(layers, name) for name in _SPATIAL),
    layers.Resizing,
    layers.CenterCrop,
    nn_ops.MaxPool,
    nn_ops.AveragePool,
    nn_ops.AdaptiveMaxPool,
    nn_ops.AdaptiveAveragePool,
    image_ops.Resize,
)
def spatial(site: Site) -> list[Axes]:
    channel = site.channel_axis()
    site.only(site.x, channel)
    return [_spatial(site, channel, site.x[channel])]


@rule(*(getattr(layers, f"Global{n}Pooling{r}D") for r in (1, 2, 3) for n in ("Max", "Average")))
def global_pooling(site: Site) -> list[Axes]:
    channel = site.channel_axis()
    site.only(site.x, channel)
    if site.op.keepdims:
        return [_spatial(site, channel, site.x[channel])]
    return [(None, site.x[channel])]


@rule(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D)
def spatial_dropout(site: Site) -> list[Axes]:
    return [site.x]
