"""The checks that a copy, a cut, a mask, a score or a file is what it should be, made at run time.

A check knows nothing of how the thing that it checks was made, and shares no code with it.
"""

from secateur.proof.record import Check, ProofError

__all__ = ["Check", "ProofError"]
