"""What a model will cost, before anything is pruned, built or trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import UnknownFlops, counted_flops
from secateur.models.weights import prunable_weights
from secateur.searching.latency_table import LatencyTable
from secateur.searching.schema import Prediction, Waypoint
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout, describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.select import select
from secateur.sparsity.zeros import masks_of_zeros
from secateur.structure.layers import LayerRemoval
from secateur.structure.pruning import choose_for
from secateur.structure.removal import Removal


class Predictor:
    """Predicts what targets leave of one model.

    Args:
        model: A built model, as it is before pruning.
        scores: Weight path -> array of the weight's shape; None with whole layers.
        data: Training data `(x, y)`, to rank whole layers.
        loss: Keras loss, to rank whole layers.
        table: Latencies of operations on this machine, if latencies are to be predicted.
    """

    def __init__(
        self,
        model: keras.Model,
        scores: Mapping[str, np.ndarray] | None,
        data: Any = None,
        loss: Any = None,
        table: LatencyTable | None = None,
    ):
        self._table = table
        self._model, self._scores, self._data, self._loss = model, scores, data, loss
        self._layouts: dict[str, Layout] = describe(model)
        self._zeros = masks_of_zeros(model)
        self._zero = {
            weight.path: keras.ops.convert_to_numpy(weight.variable.value) == 0
            for weight in prunable_weights(model)
        }

    def dense(self) -> Prediction:
        """The model as it is."""
        return Prediction(
            parameters=self._model.count_params(),
            nonzero=sum(int((~zero).sum()) for zero in self._zero.values()),
            flops=counted_flops(self._model)[0],
        )

    def waypoint(self, target: TargetConfig) -> Waypoint:
        """A one-shot target with what it leaves of the model, its latency aside.

        Raises:
            ValueError: If the target fits nothing; see `select` and `choose`.
        """
        if target.cuts:
            removal = self._removal(target)
            cost, layers = self._after_cut(removal), _channels(removal)
        else:
            assert self._scores is not None
            masks = select(self._scores, target, layers=self._layouts, zeros=self._zeros)
            nonzero = sum(
                int((~zero & masks[path] if path in masks else ~zero).sum())
                for path, zero in self._zero.items()
            )
            cost, layers = self.dense().model_copy(update={"nonzero": nonzero}), self._shares(masks)
        return Waypoint(target=target, cost=cost, layers=layers)

    def _shares(self, masks: Masks) -> dict[str, float]:
        sizes: dict[str, list[int]] = {}
        for path in masks:
            known = sizes.setdefault(self._layouts[path].layer, [0, 0])
            known[0] += masks.size(path)
            known[1] += masks.kept(path)
        return {layer: 1 - left / size for layer, (size, left) in sizes.items()}

    def latency(self, target: TargetConfig) -> float | None:
        """Share of the dense model's latency that a target leaves; None without a table.

        Zeros take as long as other weights. Of whole layers it is not predicted.
        """
        if self._table is None or not target.cuts:
            return None
        removal = self._removal(target)
        if not isinstance(removal, Removal):
            return None
        from secateur.searching.profiling import operations

        whole, left = operations(removal.graph), operations(removal.graph, removal.removed)
        return self._table.predict(left) / self._table.predict(whole)

    def _removal(self, target: TargetConfig) -> Removal | LayerRemoval:
        return choose_for(
            self._model,
            self._scores,
            target,
            data=self._data,
            loss=self._loss,
        )

    def _after_cut(self, removal: Removal | LayerRemoval) -> Prediction:
        try:
            counted: int | None = removal.flops
        except UnknownFlops:
            counted = None
        if isinstance(removal, Removal):
            nonzero = sum(int((mask & ~self._zero[p]).sum()) for p, mask in removal.masks.items())
        else:
            gone = [f"{layer}/" for layer in removal.layers]
            nonzero = sum(
                int((~zero).sum())
                for path, zero in self._zero.items()
                if not any(path.startswith(prefix) for prefix in gone)
            )
        return Prediction(parameters=removal.parameters, nonzero=nonzero, flops=counted)


def _channels(removal: Removal | LayerRemoval) -> dict[str, float]:
    """By the path of the layer, heads as well."""
    if not isinstance(removal, Removal):
        return {}
    return {
        name.removesuffix(" (heads)"): 1 - after / before
        for name, (before, after) in removal.layer_widths.items()
    }
