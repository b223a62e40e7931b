"""What a block or a layer is worth: the loss without it, what it changes, or its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import graph_of, nodes_in_order
from secateur.importance.data import Examples
from secateur.importance.losses import example_losses
from secateur.models.weights import weight_paths
from secateur.structure.blocks import Part
from secateur.structure.execute import Execution
from secateur.structure.wiring import graphs, inner_graph

Ranking = Callable[[Mapping[int, int], Sequence[Part]], np.ndarray]
"""Function of what is bypassed already and the parts that are left to their worths."""

CRITERIA = ("loss", "similarity", "scores")


def ranking(
    criterion: str,
    model: keras.Model,
    *,
    data: Any = None,
    loss: Any = None,
    scores: Mapping[str, np.ndarray] | None = None,
    examples: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
) -> Ranking:
    """The function that ranks parts; see `choose_layers` for the arguments.

    Raises:
        ValueError: If the criterion is not known, or lacks what it needs.
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"`criterion` has to be one of {', '.join(CRITERIA)}; it is {criterion!r}."
        )
    if criterion == "scores":
        if scores is None:
            raise ValueError("The criterion 'scores' needs `scores`: pass those of importance.")
        given = scores
        return lambda bypass, parts: np.array(
            [np.concatenate(part_scores(model, part, given)).mean() for part in parts]
        )
    if data is None:
        raise ValueError(f"The criterion {criterion!r} looks at examples: pass data=(x, y).")
    batches = Examples(data, limit=examples, seed=seed)
    if criterion == "similarity":
        return _by_similarity(model, batches, batch_size)
    return _by_loss(model, batches, batch_size, loss)


def _by_loss(model: keras.Model, examples: Examples, batch_size: int, loss: Any) -> Ranking:
    losses = example_losses(model, loss)
    graph: Any = graph_of(model)
    after = following(model)

    def rank(bypass: Mapping[int, int], parts: Sequence[Part]) -> np.ndarray:
        total, weight = np.zeros(len(parts)), 0.0
        for batch in examples.batches(batch_size):
            values = Execution(model, bypass).run(graph, batch.x)
            for number, part in enumerate(parts):
                changed = after(part)
                known = {key: v for key, v in values.items() if key not in changed}
                execution = Execution(model, {**bypass, **part.bypass})
                found = execution.run(graph, batch.x, known)
                outputs = keras.tree.map_structure(lambda y: found[id(y)], graph._outputs_struct)  # noqa: B023
                each = losses(batch.y, outputs, batch.weights)
                total[number] += float(keras.ops.sum(each))
            weight += batch.size
        return total / weight

    return rank


def following(model: keras.Model) -> Callable[[Part], set[int]]:
    """Function of a part: ids of the model's own tensors that depend on what it makes."""
    graph: Any = graph_of(model)
    nodes = list(nodes_in_order(graph))
    anchors: dict[int, list[int]] = {}
    for node in nodes:
        inner = inner_graph(node.operation)
        if inner is not None:
            for nested, _ in graphs(node.operation):
                anchors.setdefault(id(nested), []).extend(id(x) for x in node.outputs)
    known: dict[int, set[int]] = {}

    def after(part: Part) -> set[int]:
        if id(part) not in known:
            own = part.graph is graph
            changed = {id(part.result)} if own else set(anchors[id(part.graph)])
            for node in nodes:
                if any(id(x) in changed for x in node.input_tensors):
                    changed.update(id(x) for x in node.outputs)
            known[id(part)] = changed
        return known[id(part)]

    return after


def _by_similarity(model: keras.Model, examples: Examples, batch_size: int) -> Ranking:
    def rank(bypass: Mapping[int, int], parts: Sequence[Part]) -> np.ndarray:
        pairs = [(id(part.source), id(part.result)) for part in parts]
        watch = frozenset(key for pair in pairs for key in pair)
        total, weight = np.zeros(len(parts)), 0
        for batch in examples.batches(batch_size):
            execution = Execution(model, bypass, watch)
            execution(batch.x)
            for number, (source, result) in enumerate(pairs):
                cosines = [
                    _cosine(x, y)
                    for x, y in zip(execution.seen[source], execution.seen[result], strict=True)
                ]
                total[number] += float(np.mean(cosines)) * batch.size
            weight += batch.size
        return 1 - total / weight

    return rank


def _cosine(x: Any, y: Any) -> float:
    """Mean over examples and positions of the cosine along the last axis; 1 where both are zero."""
    x, y = (np.asarray(keras.ops.convert_to_numpy(v), np.float64) for v in (x, y))
    lengths = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    both = (x == 0).all(-1) & (y == 0).all(-1)
    cosine = (x * y).sum(-1) / np.where(lengths > 0, lengths, 1)
    return float(np.where(both, 1.0, cosine).mean())


def part_scores(
    model: keras.Model, part: Part, scores: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The scores of the weights that go with a part, flat, one array a weight that has any."""
    paths = {id(v): path for path, v in weight_paths(model)}
    found: dict[str, np.ndarray] = {}
    for graph, prefix in graphs(model):
        for node in nodes_in_order(graph):
            if prefix + node.operation.name in part.layers:
                for variable in getattr(node.operation, "weights", ()):
                    path = paths[id(variable)]
                    if path in scores:
                        found[path] = np.ravel(scores[path])
    return list(found.values())
