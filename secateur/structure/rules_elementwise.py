"""Rules of operations that treat all positions alike: activations, merging, noise, arithmetic."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers
from keras.src.applications import convnext, inception_resnet_v2
from keras.src.ops import core as core_ops
from keras.src.ops import math as math_ops
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from secateur.evaluation.flops import Shape
from secateur.structure.labels import Axes
from secateur.structure.rules import activation, operations, rule
from secateur.structure.site import Site


@rule(
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.ActivityRegularization,
    layers.Identity,
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    convnext.StochasticDepth,
    core_ops.StopGradient,
    core_ops.Cast,
    core_ops.SaturateCast,
    core_ops.ConvertToTensor,
)
def unchanged(site: Site) -> list[Axes]:
    return [site.x]


@rule(layers.Activation)
def activation_layer(site: Site) -> list[Axes]:
    activation(site, site.op.activation, site.x[-1])
    return [site.x]


@rule(layers.Rescaling)
def rescaling(site: Site) -> list[Axes]:
    for value in (site.op.scale, site.op.offset):
        if not isinstance(value, (int, float)):
            site.pin(site.x[-1], f"'{site.path}' has a number for each channel")
    return [site.x]


@rule(layers.Masking)
def masking(site: Site) -> list[Axes]:
    site.pin(site.x[-1], f"'{site.path}' looks at all channels of a step")
    return [site.x]


@rule(layers.PReLU)
def prelu(site: Site) -> list[Axes]:
    alpha: Any = site.op.alpha
    for axis, labels in enumerate(site.x[1:]):
        if alpha.shape[axis] != 1 or site.in_shapes[0][axis + 1] == 1:
            site.scales(alpha, axis, labels)
    return [site.x]


@rule(convnext.LayerScale)
def layer_scale(site: Site) -> list[Axes]:
    site.scales(site.op.gamma, 0, site.x[-1])
    site.width("projection_dim", site.x[-1])
    return [site.x]


@rule(layers.Normalization)
def normalization(site: Site) -> list[Axes]:
    """Its mean and variance are numbers of the data, a constant for each channel."""
    for labels in site.x:
        site.pin(labels, f"'{site.path}' has a number for each channel")
    return [(None,) * site.rank]


@rule(
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    inception_resnet_v2.CustomScaleLayer,
    *operations(
        numpy_ops,
        "Absolute Add Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Ceil Clip Cos Cosh "
        "Divide DivideNoNan Equal Exp Exp2 Expm1 Floor FloorDivide Fmax Fmin Fmod Greater "
        "GreaterEqual Heaviside Hypot Isfinite Isinf Isnan Less LessEqual Log Log10 Log1p Log2 "
        "Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr LogicalXor Maximum Minimum Mod "
        "Multiply NanToNum Negative NotEqual OnesLike Power Reciprocal Round Sign Signbit Sin Sinc "
        "Sinh Sqrt Square Subtract Tan Tanh TrueDivide Trunc Where ZerosLike Copy Fabs Cbrt "
        "Deg2rad Rad2deg FullLike Isclose Nextafter",
    ),
    *operations(
        nn_ops,
        "Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu Squareplus "
        "LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Celu TanhShrink HardTanh "
        "HardShrink Threshold",
    ),
    *operations(math_ops, "Rsqrt Erf Erfc Erfinv"),
)
def elementwise(site: Site) -> list[Axes]:
    """Axes are aligned from the right; an axis of one position is stretched over the others."""
    (shape,) = site.out_shapes
    ranks = {len(sizes) for sizes in site.in_shapes}
    if len(shape) != max(ranks) or (isinstance(site.op, keras.Layer) and len(ranks) > 1):
        if any(labels is not None for axes in site.inputs for labels in axes):
            site.unknown("its inputs have different numbers of axes")
        return [(None,) * len(shape)]
    inputs = [*zip(site.inputs, site.in_shapes, strict=True), *_constants(site)]
    return [tuple(_merged(site, inputs, shape, axis) for axis in range(len(shape)))]


def _merged(site: Site, inputs: list[tuple[Axes, Shape]], shape: Shape, axis: int) -> Any:
    meet, stretched = [], False
    for axes, sizes in inputs:
        mine = axis - len(shape) + len(sizes)
        if mine < 0 or (sizes[mine] == 1 and shape[axis] != 1):
            stretched = stretched or len(sizes) > 0
            continue
        meet.append(axes[mine])
    labels = next((x for x in meet if x is not None), None)
    if labels is None:
        return None
    for other in meet:
        if other is not labels:
            site.tie(labels, other)
    if stretched or len(meet) < len(site.inputs):
        site.varies(labels)  # a single map multiplies all channels: none of them is constant
    return None if any(x is None for x in meet) else labels


def _constants(site: Site) -> list[tuple[Axes, Shape]]:
    """Arrays among the arguments: their widths are fixed; one number each is no matter."""
    if site.node is None:
        return []
    found: list[tuple[Axes, Shape]] = []
    for value in keras.tree.flatten((site.node.arguments.args, site.node.arguments.kwargs)):
        shape = getattr(value, "shape", None)
        if shape is not None and len(shape) and not isinstance(value, keras.KerasTensor):
            found.append(((None,) * len(shape), tuple(shape)))
    return found
