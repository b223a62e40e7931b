"""Channels that do nothing after weights were set to zero, and what removing them takes.

A channel goes in two cases. Nothing reads it: all weights that do are zero. Or it is constant: all
kernels that make it are zero, so that a bias or BatchNorm's beta alone comes out. What a constant
adds to its readers is added to their biases; where that cannot be done exactly (zeros of a padded
border stand beside the constant; the reader has no bias), the channel stays and the notice says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from secateur.models.weights import flat_layers, prunable_weights
from secateur.structure.constants import along, constant_labels, constant_values
from secateur.structure.dependency import Graph
from secateur.structure.folding import Fold, fold
from secateur.structure.labels import MAKES, READS, Bound
from secateur.structure.removal import Removal


def dead(
    graph: Graph, masks: Mapping[str, np.ndarray] | None = None, *, empty: bool = False
) -> Removal:
    """The channels of a model that can go without a change of its outputs.

    Args:
        graph: The dependency graph of a model whose removed weights are zero already.
        masks: Weight path -> mask, True = kept. Weights with a mask count as zero where it is
            False; weights without one where their value is zero.
        empty: Only channels whose makers are all zero; one that is made, though nothing reads it,
            stays.

    Returns:
        The removal. Of each group one channel stays.
    """
    return _Search(graph, masks or {}, empty).run()


class _Search:
    def __init__(self, graph: Graph, masks: Mapping[str, np.ndarray], empty: bool = False):
        self.graph = graph
        self.empty = empty
        self.values = {id(v): keras.ops.convert_to_numpy(v.value) for v in graph.model.weights}
        self.live: dict[int, np.ndarray] = {}
        for variable in graph.model.weights:
            path, value = graph.paths[id(variable)], self.values[id(variable)]
            self.live[id(variable)] = np.array(masks[path]) if path in masks else value != 0
        self.kernels = {id(w.variable) for w in prunable_weights(graph.model)}
        self.bounds = [b for b in graph.trace.bound.values() if b.labels is not None]
        self.readers = [b for b in self.bounds if b.role == READS]
        self.allowed = np.zeros(graph.units, bool)
        for group in graph.groups:
            self.allowed[group.units] = True
        self.removed = np.zeros(graph.units, bool)
        self.additions: dict[int, np.ndarray] = {}
        self.reasons: dict[int, str] = {}
        self.notices: list[str] = []
        self.folds: dict[int, Fold] = {}
        self.constants: dict[int, np.ndarray] | None = None

    def run(self) -> Removal:
        """Until nothing new is found: what a removed channel read or made is zero from then on."""
        while True:
            unread, constant = self._unread(), self._constant()
            new = (unread | constant) & self.allowed & ~self.removed
            if self.empty:
                new &= ~self._made()
            for group in self.graph.groups:
                self._leave_one(new, group.units, group.name)
            for bound in self.bounds:  # a layer may read a part of a group alone
                self._leave_one(new, self.graph.unit_of[bound.labels], bound.layer)
            if not new.any():
                break
            self._fold(new & ~unread)
            self._take(new)
        self._say_what_stays()
        return Removal(self.graph, self.removed, self.notices, self.additions)

    def _leave_one(self, new: np.ndarray, units: np.ndarray, name: str) -> None:
        """Takes one of `units` out of `new` if with it all of them were removed."""
        gone = self.removed[units]
        if gone.all() or not (gone | new[units]).all():
            return
        kept = units[new[units]][-1]
        new[kept] = self.allowed[kept] = False
        self.notices.append(
            f"All channels of '{name}' do nothing; one stays, because a layer needs one."
        )

    def _alive(self, bound: Bound) -> np.ndarray:
        """For each position of an axis whether any weight at it is not zero."""
        return along(self.live[id(bound.variable)], bound.axis)

    def _unread(self) -> np.ndarray:
        """Units whose readers are all zero; of those without a reader, what no kernel makes.

        Queries and keys are such: their product is read, so that their biases count as well.
        """
        read, used, made, product = (np.zeros(self.graph.units, bool) for _ in range(4))
        for group in self.graph.groups:
            product[group.units] = group.kind == "width"
        for bound in self.bounds:
            units = self.graph.unit_of[bound.labels]
            if bound.role == READS:
                used[units] = True
                read[units[self._alive(bound)]] = True
            elif bound.role == MAKES:
                counts = product[units] | (id(bound.variable) in self.kernels)
                made[units[self._alive(bound) & counts]] = True
        return np.where(used, ~read, ~made)

    def _made(self) -> np.ndarray:
        """Units that any kernel makes with a weight that is not zero."""
        made = np.zeros(self.graph.units, bool)
        for bound in self._making():
            made[self.graph.unit_of[bound.labels][self._alive(bound)]] = True
        return made

    def _constant(self) -> np.ndarray:
        """Units whose channels are constants that their readers can take up."""
        constant = constant_labels(self.graph, self._making(), self.live)
        fits = np.ones(self.graph.units, bool)
        used = np.zeros(self.graph.units, bool)
        for bound in self.readers:
            units = self.graph.unit_of[bound.labels]
            alive = self._alive(bound)
            used[units] = True
            fits[units[alive & ~constant[bound.labels]]] = False
        candidates = fits & used & self.allowed & ~self.removed
        for bound in self.readers if candidates.any() else ():
            units = self.graph.unit_of[bound.labels]
            asked = self._alive(bound) & candidates[units]
            if not asked.any():
                continue
            values = self._constants_of(bound)
            where = self._fold_of(bound)
            known = ~np.isnan(values)
            wrong = asked & ~(known & ((values == 0) | (where.bias is not None)))
            for unit, is_known in zip(units[wrong], known[wrong], strict=True):
                reason = where.reason if is_known else f"'{bound.layer}' sees them differ by place"
                self.reasons.setdefault(int(unit), reason)
            fits[units[wrong]] = False
        return fits & used

    def _making(self) -> list[Bound]:
        return [b for b in self.bounds if b.role == MAKES and id(b.variable) in self.kernels]

    def _constants_of(self, bound: Bound) -> np.ndarray:
        if self.constants is None:
            self.constants = constant_values(self.graph)
        nothing = np.full(bound.variable.shape[bound.axis], np.nan)
        return self.constants.get(id(bound), nothing)

    def _fold_of(self, bound: Bound) -> Fold:
        if id(bound) not in self.folds:
            owner: Any = None
            for layer in flat_layers(self.graph.model):
                if any(v is bound.variable for v in layer.weights):
                    owner = layer  # a child comes after its parent
            self.folds[id(bound)] = fold(owner, bound.variable, bound.axis)
        return self.folds[id(bound)]

    def _fold(self, units: np.ndarray) -> None:
        """Adds to biases what the constants of these units added to their readers."""
        for bound in self.readers:
            gone = units[self.graph.unit_of[bound.labels]] & self._alive(bound)
            if not gone.any():
                continue
            values = np.where(gone, self._constants_of(bound), 0.0)
            where = self._fold_of(bound)
            if not values.any() or where.delta is None:
                continue
            delta = where.delta(self.values[id(bound.variable)].astype(np.float64), values)
            key = id(where.bias)
            self.additions[key] = self.additions.get(key, 0.0) + delta

    def _take(self, units: np.ndarray) -> None:
        self.removed |= units
        for bound in self.bounds:
            gone = units[self.graph.unit_of[bound.labels]]
            if gone.any():
                np.moveaxis(self.live[id(bound.variable)], bound.axis, 0)[gone] = False

    def _say_what_stays(self) -> None:
        for group in self.graph.groups:
            found: dict[str, int] = {}
            for unit in group.units[~self.removed[group.units]].tolist():
                if unit in self.reasons:
                    reason = self.reasons[unit]
                    found[reason] = found.get(reason, 0) + 1
            for reason, number in found.items():
                self.notices.append(
                    f"{number} channels of '{group.name}' are constant but stay: {reason}."
                )
