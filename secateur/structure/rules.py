"""The registry of rules: how each operation passes channels on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras

from secateur.structure.labels import Axes, Labels
from secateur.structure.site import Site

Rule = Callable[[Site], Iterable[Axes]]

_rules: dict[type, Rule] = {}
_loaded = False


def rule(*types: type) -> Callable[[Rule], Rule]:
    """Registers how an operation passes channels on; also for layers of your own.

    The rule gets a `Site` and returns the axes of each output. For a layer that is a Dense layer
    under another name:

    ```python
    @structure.rule(MyDense)
    def my_dense(site):
        site.reads(site.op.kernel, 0, site.x[-1])  # this axis of the kernel reads the input
        y = site.makes(site.op.kernel, 1)          # and this one makes new channels
        site.made_by(site.op.bias, 0, y)
        site.width("units", y)                     # `units` in get_config() follows
        return [(*site.x[:-1], y)]
    ```

    A subclass uses the rule of its nearest parent only if it does not override `call`.
    """

    def register(function: Rule) -> Rule:
        for kind in types:
            _rules[kind] = function
        return function

    return register


def rule_for(op: Any) -> Rule | None:
    """The rule of an operation, or None if it is not known."""
    _load()
    for kind in type(op).__mro__:
        if kind in _rules:
            return _rules[kind]
        if "call" in vars(kind) and not kind.__module__.startswith("keras."):
            return None  # it computes something else than its parent
    return None


def _load() -> None:
    """Imports the rules by name, so that they count in the digest of a stage's source."""
    global _loaded
    if not _loaded:
        _loaded = True
        from secateur.structure import (  # noqa: F401
            rules_attention,
            rules_conv,
            rules_dense,
            rules_elementwise,
            rules_norm,
            rules_recurrent,
            rules_reduce,
            rules_shape,
        )


def operations(module: Any, names: str) -> list[type]:
    """Those of these operations that the installed Keras has in one of its modules."""
    return [getattr(module, name) for name in names.split() if hasattr(module, name)]


_CHANNELWISE = {
    getattr(keras.activations, name)
    for name in (
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softplus",
        "softsign",
        "sparse_plus",
        "sparse_sigmoid",
        "squareplus",
        "tanh",
        "tanh_shrink",
        "threshold",
    )
}


def activation(site: Site, function: Any, labels: Labels | None) -> None:
    """Pins the channels if this activation function may mix them."""
    known = function is None or function in _CHANNELWISE
    if not known and isinstance(function, keras.Layer):
        known = isinstance(function, (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU))
    if not known:
        name = getattr(function, "__name__", type(function).__name__)
        site.pin(labels, f"the activation {name} of '{site.path}' may mix channels")
