"""What a search is asked for, and what it needs of whoever trains and measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from secateur.searching.candidate import Candidate, Outcome
from secateur.searching.config import BudgetConfig, SearchConfig
from secateur.searching.curves import Sensitivity
from secateur.searching.schema import Waypoints
from secateur.sparsity.config import TargetConfig

_LOWERS = {True: ("bytes", "parameters", "flops", "latency_ms"), False: ("bytes",)}
"""Costs that removing for good lowers, and those that zeros lower."""
_FRESH = 1000
"""The seed of the first fresh training, above that of the search."""


class Start(Protocol):
    """A model that is searched with one pattern: what strategies start from, and what answers."""

    @property
    def target(self) -> TargetConfig:
        """Pattern and scope; how much goes is what is looked for."""
        ...

    @property
    def sensitivity(self) -> Sensitivity:
        """The accuracy with each layer pruned alone."""
        ...

    @property
    def digest(self) -> str:
        """Of the data, the model and all settings that decide what a candidate's outcome is."""
        ...

    def waypoints(self, order: str, measure: str, timed: bool) -> Waypoints:
        """Targets of falling cost: by `loss` or by `ratio`, with latencies if `timed`."""
        ...

    def evaluate(self, candidates: Sequence[Candidate], seeds: Sequence[int]) -> list[Outcome]:
        """Trains each candidate with each seed; outcomes in the order of the candidates."""
        ...


class Evaluator(Protocol):
    """Trains and measures for a search."""

    @property
    def right(self) -> np.ndarray:
        """For each validation example whether the dense model is right: booleans, (examples,)."""
        ...

    @property
    def costs(self) -> Mapping[str, float | None]:
        """What the dense model costs, by the names of `Outcome.costs`."""
        ...

    def start(self, place: int, first: Sequence[TargetConfig]) -> Start:
        """What the pattern at `place` starts from, after the targets of the patterns before it.

        Raises:
            ValueError: One sentence: the pattern finds nothing to prune there.
        """
        ...


@dataclass(frozen=True)
class Problem:
    """What a search is asked for.

    Attributes:
        budget: What may be spent.
        minimize: The cost that shall be low; None where accuracy shall be high.
        targets: One for each pattern, in turn.
        search: How it looks.
        epochs: Of fine-tuning each candidate.
        seed: Of what a strategy draws.
        tuning_seed: The first of fine-tuning.
        workers: Trainings that can run at the same time.
        storage: Where a study of `tpe` or `nsga2` is kept: a file or the URL of a data base.
    """

    budget: BudgetConfig
    minimize: str | None
    targets: Sequence[TargetConfig]
    search: SearchConfig
    epochs: int
    seed: int
    tuning_seed: int
    workers: int = 1
    storage: str | None = None

    @property
    def timed(self) -> bool:
        """Whether milliseconds are among the costs in question."""
        return "latency_ms" in (self.minimize, *self.budget.limits)

    @property
    def seeds(self) -> list[int]:
        """Those of fine-tuning that candidates are compared on."""
        return [self.tuning_seed + k for k in range(self.search.seeds)]

    @property
    def fresh_seeds(self) -> list[int]:
        """Those that the winner is trained with before it is reported."""
        return [self.tuning_seed + _FRESH + k for k in range(self.search.fresh_seeds)]


def usual_pattern(wanted: Sequence[str]) -> str:
    """What goes together where nobody says so: what lowers the costs in question."""
    return "weight" if set(wanted) <= set(_LOWERS[False]) else "channel"


def check_patterns(wanted: Sequence[str], targets: Sequence[TargetConfig], what: str) -> None:
    """Refuses a pattern that lowers none of the costs in question.

    Args:
        wanted: The costs.
        targets: One for each pattern.
        what: The name of the parameter that asks for the costs.

    Raises:
        ValueError: One sentence.
    """
    for target in targets:
        if not set(wanted) & set(_LOWERS[target.cuts]):
            raise ValueError(
                f"{what} {' and '.join(wanted)} and pattern {target.pattern} do not go together: "
                f"zeros make a model no cheaper in that; use pattern channel, or {what} bytes."
            )
