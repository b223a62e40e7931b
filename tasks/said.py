"""What stages said beside their results: notices and checks, for the reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from secateur.proof.record import Check
from secateur.tasks.stage import StageResult, read


def notices_of(results: Sequence[StageResult]) -> list[str]:
    """What the stages had to say, each sentence once."""
    return list(dict.fromkeys(_of(results, "notices")))


def checks_of(results: Sequence[StageResult]) -> list[Check]:
    """What was proved in the stages, in their order; a stage that ran twice counts once."""
    once = {result.key: result for result in results}
    return [Check.model_validate(check) for check in _of(list(once.values()), "checks")]


def _of(results: Sequence[StageResult], name: str) -> Iterator[Any]:
    return (each for result in results for each in read(result).metadata.get(name, ()))
