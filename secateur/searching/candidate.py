"""What strategies are asked for, and what they are told: candidates and outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from secateur.searching.noise import Estimate
from secateur.sparsity.config import TargetConfig


@dataclass(frozen=True)
class Candidate:
    """A way to prune that may be worth trying.

    Attributes:
        number: Its place in the search.
        name: In short, for people.
        target: How the model is pruned.
        tuned: Whether it is fine-tuned; one whose costs alone are in question is not.
        rungs: Epochs of fine-tuning after which it is looked at, up to the last one to be run;
            empty for all epochs in one go.
        layers: Share of each layer that goes; empty where it is not known, as of whole layers.
    """

    number: int
    name: str
    target: TargetConfig
    tuned: bool = True
    rungs: tuple[int, ...] = ()
    layers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate.

    Attributes:
        candidate: It.
        costs: Parameters, nonzero, flops (None where unknown), bytes and, where it counts,
            latency_ms: means over the seeds.
        right: For each seed, and each example of the validation split, whether the model is right.
        drop: Accuracy lost against the dense model on that split.
        stopped: Why it was not finished; None if it was.
    """

    candidate: Candidate
    costs: Mapping[str, float | None]
    right: Sequence[np.ndarray]
    drop: Estimate
    stopped: str | None = None

    @property
    def accuracy(self) -> float:
        """Mean share of right answers on the validation split."""
        return float(np.mean([run.mean() for run in self.right]))


class Strategy(Protocol):
    """Decides what is tried next. Asked and told in turns; it computes nothing heavy itself."""

    def ask(self, most: int) -> list[Candidate]:
        """The next candidates, which may run at the same time; empty when the search is over."""
        ...

    def tell(self, outcome: Outcome) -> None:
        """Hears how a candidate did."""
        ...

    def why(self, number: int) -> str | None:
        """Why it stopped a candidate; None if it did not."""
        ...

    def refuted(self, number: int) -> None:
        """Hears that a candidate did not keep the budget on fresh seeds; it may ask again."""
        ...


def mean_costs(costs: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The means by name; None of what is unknown in one of them."""
    found: dict[str, float | None] = {}
    for name in costs[0]:
        known = [value for each in costs if (value := each[name]) is not None]
        found[name] = float(np.mean(known)) if len(known) == len(costs) else None
    return found
