"""Rules of layers that multiply by a matrix: Dense, EinsumDense, Embedding."""

from __future__ import annotations

from typing import Any

from keras import layers

from secateur.structure.labels import Axes
from secateur.structure.rules import activation, rule
from secateur.structure.site import Site


def plain(site: Site) -> None:
    """Refuses layers whose kernel is not the array that is multiplied."""
    if getattr(site.op, "quantization_mode", None):
        site.unknown("it is quantized; cut before quantizing")
    if getattr(site.op, "lora_enabled", False):
        site.unknown("it has LoRA weights; merge them first")


@rule(layers.Dense)
def dense(site: Site) -> list[Axes]:
    plain(site)
    kernel = site.op._kernel
    site.reads(kernel, 0, site.x[-1])
    y = site.makes(kernel, 1)
    site.made_by(site.op.bias, 0, y)
    site.width("units", y)
    activation(site, site.op.activation, y)
    return [(*site.x[:-1], y)]


@rule(layers.EinsumDense)
def einsum_dense(site: Site) -> list[Axes]:
    plain(site)
    layer: Any = site.op
    left, right = layer.equation.replace(" ", "").split("->")
    source, weight = left.split(",")
    source, right = _named(source, site.rank), _named(right, len(site.out_shapes[0]))
    kernel, labels = layer._kernel, dict(zip(source, site.x, strict=True))
    for axis, letter in enumerate(weight):
        if letter not in labels:
            labels[letter] = site.makes(kernel, axis) if letter in right else None
        elif letter in right:
            site.scales(kernel, axis, labels[letter])
        else:
            site.reads(kernel, axis, labels[letter])
    for letter in source:
        if letter not in weight and letter not in right:
            site.pin(labels[letter], f"'{site.path}' sums over this axis")
    output = tuple(labels[letter] for letter in right)
    if layer.bias is not None:
        rank = len(layer.bias.shape)
        for axis, made in enumerate(output[-rank:] if rank else ()):
            if made is not None and layer.bias.shape[axis] == len(made):
                site.made_by(layer.bias, axis, made)
    _output_shape(site, output)
    activation(site, layer.activation, output[-1])
    return [output]


def _named(term: str, rank: int) -> list[str]:
    """The axes of one side of an equation; those of an ellipsis count from its end."""
    if "..." not in term:
        return list(term)
    before, after = term.split("...")
    dots = rank - len(before) - len(after)
    return [*before, *(f".{dots - i}" for i in range(dots)), *after]


def _output_shape(site: Site, output: Axes) -> None:
    """`output_shape` names the last axes of the output, whole or as one number."""
    given = site.op.get_config()["output_shape"]
    given = (given,) if isinstance(given, int) else tuple(given)
    axes = output[len(output) - len(given) :]
    if all(labels is None for labels in axes):
        return
    site.configure(
        "output_shape",
        lambda count: tuple(
            size if size is None else count(labels, size)
            for size, labels in zip(given, axes, strict=True)
        ),
        *axes,
    )


@rule(layers.Embedding)
def embedding(site: Site) -> list[Axes]:
    plain(site)
    y = site.makes(site.op._embeddings, 1)
    site.width("output_dim", y)
    return [(*site.x, y)]


@rule(layers.ReversibleEmbedding)
def reversible_embedding(site: Site) -> list[Axes]:
    plain(site)
    layer: Any = site.op
    call = site.node.arguments if site.node is not None else None
    args: tuple = call.args if call else ()
    back = call.kwargs.get("reverse", args[1] if len(args) > 1 else False) if call else False
    y = site.makes(layer._embeddings, 1)
    site.width("output_dim", y)
    if not layer.tie_weights:
        site.reads(layer.reverse_embeddings, 0, y)
    if not back:
        return [(*site.x, y)]
    site.reads(layer._embeddings, 1, site.x[-1])
    if not layer.tie_weights:
        site.tie(y, site.x[-1])
    return [(*site.x[:-1], None)]
