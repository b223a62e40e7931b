"""Channels that go, what is left of the model without them, and which groups a glob names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from secateur.models.weights import prunable_weights
from secateur.structure.dependency import Graph, Group

_SUFFIX = {"channel": "", "head": " (heads)", "width": " (head width)"}


@dataclass(frozen=True, eq=False)
class Removal:
    """Channels that go, chosen on one graph.

    Attributes:
        graph: The graph they were chosen on.
        removed: For each unit of the graph whether it goes.
        notices: What was floored, left out or not reached, and why.
        additions: id of a weight of the original -> what is added to it before it is cut.
    """

    graph: Graph
    removed: np.ndarray
    notices: list[str] = field(default_factory=list)
    additions: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def widths(self) -> dict[str, tuple[int, int]]:
        """For each group its channels before and after."""
        widths: dict[str, tuple[int, int]] = {}
        for group in self.graph.groups:
            gone = int(self.removed[group.units].sum())
            before, after = widths.get(group.name, (0, 0))
            widths[group.name] = (before + group.channels, after + group.channels - gone)
        return widths

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """Weight path -> mask (True = kept) of the prunable weights that make or read what goes.

        To train with the channels at zero before they are cut: a model that these masks are
        applied to is shrunk by `shrink` to what `remove` gives.
        """
        keep = self.graph.keeping(self.removed)
        masks: dict[str, np.ndarray] = {}
        for weight in prunable_weights(self.graph.model):
            mask = np.ones(tuple(weight.variable.shape), bool)
            for bound in self.graph.bounds.get(id(weight.variable), ()):
                if bound.labels is not None:
                    np.moveaxis(mask, bound.axis, 0)[~keep[bound.labels]] = False
            masks[weight.path] = mask
        return masks

    @property
    def kept(self) -> dict[str, dict[int, np.ndarray]]:
        """Weight path -> axis -> positions that are left, of the axes that lose some."""
        keep = self.graph.keeping(self.removed)
        kept: dict[str, dict[int, np.ndarray]] = {}
        for bounds in self.graph.bounds.values():
            for bound in bounds:
                if bound.labels is not None and not keep[bound.labels].all():
                    path = self.graph.paths[id(bound.variable)]
                    kept.setdefault(path, {})[bound.axis] = np.flatnonzero(keep[bound.labels])
        return kept

    @property
    def layer_widths(self) -> dict[str, tuple[int, int]]:
        """For each layer that makes channels their number before and after.

        The heads of attention are `layer (heads)`, the widths inside them `layer (head width)`.
        """
        keep = self.graph.keeping(self.removed)
        widths: dict[str, tuple[int, int]] = {}
        for block in self.graph.trace.blocks:
            if block.kind not in ("", "fixed"):
                name = block.layer + _SUFFIX[block.kind]
                left = int(np.count_nonzero(keep[block.start : block.stop]))
                widths.setdefault(name, (block.stop - block.start, left))
        return widths

    @property
    def parameters(self) -> int:
        """Parameters of the cut model, exactly, without building it."""
        return self.graph.parameters(self.removed)

    @property
    def flops(self) -> int:
        """FLOPs of one example in the cut model, exactly, without building it."""
        return self.graph.flops(self.removed)


def names(graph: Graph, group: Group) -> set[str]:
    """What globs can call the layers that make a group: paths, names and types."""
    kinds = graph.trace.kinds
    return {name for x in group.layers for name in (x, x.rpartition("/")[2], kinds[x]) if name}


def selected(names: Iterable[str], include: Iterable[str], exclude: Iterable[str]) -> bool:
    """Whether any name matches a glob of `include` (if there are any), and none of `exclude`."""

    def any_of(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(x, p) for x in names for p in patterns)

    return (not include or any_of(include)) and not any_of(exclude)
