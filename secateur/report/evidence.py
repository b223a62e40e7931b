"""What the page shows beside `report.json`: lineage, trainings, and what pruning changed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from secateur.datasets.card.schema import Card
from secateur.explanation.schema import Explanation
from secateur.report.histories import History
from secateur.report.record import StageRecord


@dataclass(frozen=True)
class Origin:
    """Where a stage's result comes from.

    Attributes:
        record: Its line of the report.
        parameters: Those of the stage.
        upstream: Name of an input -> digest of its content, or a list of them.
        digest: Digest of the result's content.
        created: When it was built.
        seconds: How long that took, in this run or an earlier one.
    """

    record: StageRecord
    parameters: Mapping[str, Any]
    upstream: Mapping[str, Any]
    digest: str
    created: datetime.datetime
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """All that the page needs, with defaults for a run that has less.

    Attributes:
        command: What runs the same again.
        data: What the data set says of itself, as the stage `load_data` notes it.
        versions: Of Python and of the libraries that count.
        origins: One for each stage, in order.
        histories: The trainings by name.
        explanation: What pruning changed.
        card: What was understood of the data set, with pictures of its samples.
        pictures: Of `explanation.changes.flips`, bytes `(examples, height, width, 1 or 3)`.
        masks: Weight path -> boolean array, True where a weight is kept.
    """

    command: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    origins: Sequence[Origin] = ()
    histories: Mapping[str, History] = field(default_factory=dict)
    explanation: Explanation | None = None
    card: Card | None = None
    pictures: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] | None = None
