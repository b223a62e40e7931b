"""Rules of normalisation. Statistics over the channels change when channels go; see each rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import nn as nn_ops

from secateur.structure.labels import Axes
from secateur.structure.rules import rule
from secateur.structure.site import Site


@rule(layers.BatchNormalization)
def batch_norm(site: Site) -> list[Axes]:
    layer: Any = site.op
    labels = site.x[layer.axis]
    for variable in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance):
        site.scales(variable, 0, labels)
    return [site.x]


@rule(layers.GroupNormalization)
def group_norm(site: Site) -> list[Axes]:
    """Statistics are over a group of channels: only whole groups go."""
    layer: Any = site.op
    labels = site.x[layer.axis]
    for variable in (layer.gamma, layer.beta):
        site.scales(variable, 0, labels)
    if labels is not None and layer.groups != len(labels):
        grouped = labels.reshape(layer.groups, -1)
        site.tie(grouped, np.broadcast_to(grouped[:, :1], grouped.shape))
    if labels is not None:
        first = labels[:: len(labels) // layer.groups]
        site.configure("groups", lambda count: count(first, len(first)), first)
    return [site.x]


@rule(layers.LayerNormalization, layers.RMSNormalization)
def layer_norm(site: Site) -> list[Axes]:
    """Statistics are over all channels, so what is left of them would change: they stay.

    With `through_normalization` they go, and the layer normalises over those that are left.
    """
    layer: Any = site.op
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    axes = [axis % site.rank for axis in axes]
    tracked = [axis for axis in axes if site.x[axis] is not None]
    if tracked and not site.trace.through_normalization:
        for axis in tracked:
            site.pin(site.x[axis], f"'{site.path}' normalises over these channels")
    variables = [getattr(layer, name, None) for name in ("gamma", "beta", "scale")]
    for variable in variables:
        if variable is not None and hasattr(variable, "shape"):
            for position, axis in enumerate(axes):
                site.scales(variable, position, site.x[axis])
    return [site.x]


@rule(layers.UnitNormalization, layers.Softmax, nn_ops.Softmax, nn_ops.LogSoftmax, nn_ops.Normalize)
def along_an_axis(site: Site) -> list[Axes]:
    axes = site.op.axis
    for axis in [axes] if isinstance(axes, int) else axes or range(site.rank):
        site.pin(site.x[axis], f"'{site.path}' works along this axis")
    return [site.x]


@rule(layers.SpectralNormalization)
def spectral_norm(site: Site) -> list[Axes]:
    """The wrapped layer's weights are used as they are; the vector u keeps to the output."""
    outputs = site.visit(site.op.layer, site.inputs, site.in_shapes, site.out_shapes)
    made = outputs[0][-1]
    site.pin(made, f"'{site.path}' normalises its whole kernel")
    for labels in site.x:
        site.pin(labels, f"'{site.path}' normalises its whole kernel")
    return outputs
