"""Proofs of what a stage has written, for its `checks`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from secateur.proof.record import Check
from secateur.store import Reference
from secateur.tasks.stage import read

_EXAMPLES = 4


def proved(
    network: Any,
    saved: Path,
    when: str,
    *,
    data: Reference | None = None,
    masks: Any = None,
    checks: Sequence[Check] = (),
) -> list[dict[str, Any]]:
    """That a saved file is the model in memory as whoever loads it gets it, and that masks hold.

    Args:
        network: The model in memory.
        saved: Its file.
        when: Such as `after fine-tuning`, for the statement on masks.
        data: The data set whose first training examples are run; None for generated ones.
        masks: What has to be zero in both; None where nothing is held.
        checks: What was proved before.

    Raises:
        ProofError: They do not.
    """
    from secateur.models.files import load_model
    from secateur.proof.files import prove_saved
    from secateur.proof.masks import prove_masks

    found = [*checks]
    if masks is not None:
        found.append(prove_masks(network, masks, when))
    found += prove_saved(network, saved, first_examples(data), masks, when, load_model)
    return [check.model_dump() for check in found]


def first_examples(data: Reference | None) -> Any:
    """`(x, y)` of the first training examples, for a proof; None without data."""
    if data is None:
        return None
    import numpy as np

    from secateur.datasets.dataset import Dataset

    training = Dataset(read(data).directory).train
    return training.arrays(np.arange(min(len(training), _EXAMPLES)))
