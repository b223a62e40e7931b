"""What the walk through a model writes down: blocks of labels, bound weights, calls, readings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from secateur.evaluation.flops import Call

Labels = np.ndarray
Axes = tuple["Labels | None", ...]

READS, MAKES, SCALES = "reads", "makes", "scales"


class Unknown(Exception):  # noqa: N818 - a signal, not an error
    """Raised by a rule that does not understand this call; the message says what."""


@dataclass
class Block:
    """Labels made by one axis of one weight: the channels of a layer's output.

    Attributes:
        layer: Path of the layer in the model, `nested/layer`.
        kind: "channel", "head" (of attention) or "width" (of keys and values in a head).
        start: Its first label; the labels run to `stop`.
    """

    layer: str
    kind: str
    start: int
    stop: int


@dataclass
class Bound:
    """An axis of a weight and the labels of its positions."""

    variable: Any
    axis: int
    labels: Labels | None
    role: str
    layer: str


@dataclass
class Record:
    """A call as FLOPs see it: shapes with labels, and how often it runs."""

    call: Call
    inputs: list[Axes]
    outputs: list[Axes]
    times: int


@dataclass
class Reading:
    """A tensor of the graph that a weight's axis reads; None where it is not known which."""

    tensor: Any
    axis: int
    bound: Bound
