"""How long operations take on one machine, and a model of them. Imports no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field


class LatencyTable(BaseModel):
    """Milliseconds of single operations in LiteRT, one example on one thread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: float = Field(description="Of a call that computes next to nothing.")
    kinds: dict[str, list[tuple[float, float]]] = Field(
        description="Kind of operation -> pairs of FLOPs and milliseconds beyond `call`, rising."
    )

    def predict(self, operations: Iterable[tuple[str, float]]) -> float:
        """Milliseconds of a model: the call, and each operation by itself.

        What lies between operations (copies, activations that are not fused) is left out, so a
        prediction ranks models better than it tells their times; finalists are measured.

        Args:
            operations: Kind and FLOPs of each operation; kinds that the table does not have count
                as `dense`.
        """
        return self.call + sum(self._one(kind, flops) for kind, flops in operations if flops > 0)

    def _one(self, kind: str, flops: float) -> float:
        """By a straight line between logarithms; beyond the ends in proportion to the FLOPs."""
        points = self.kinds.get(kind) or self.kinds["dense"]
        (first, least), (last, most) = points[0], points[-1]
        if flops <= first:
            return least * flops / first
        if flops >= last:
            return most * flops / last
        low, high = next(pair for pair in pairwise(points) if pair[0][0] <= flops <= pair[1][0])
        share = math.log(flops / low[0]) / math.log(high[0] / low[0])
        return math.exp((1 - share) * math.log(low[1]) + share * math.log(high[1]))
