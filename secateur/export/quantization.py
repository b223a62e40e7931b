"""The kinds of post-training quantization of LiteRT files. Imports no TensorFlow."""

from __future__ import annotations

from typing import Literal, get_args

Quantization = Literal["dynamic_int8", "int8", "float16", "int16x8"]
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)

CALIBRATED = ("int8", "int16x8")
"""Those whose activations are integers, so that their ranges are measured on examples."""
