"""Proofs of what a stage has written, for its `checks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def masks_proved(network: Any, masks: Any, saved: Path, when: str) -> list[dict[str, Any]]:
    """That the masks hold in the model in memory, and in its file as whoever loads it gets it.

    Raises:
        ProofError: They do not.
    """
    from secateur.models.files import load_model
    from secateur.proof.masks import prove_masks

    proofs = [
        prove_masks(network, masks, when),
        prove_masks(load_model(saved), masks, f"{when}, in the file that was saved"),
    ]
    return [check.model_dump() for check in proofs]
