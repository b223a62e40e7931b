"""The result of scoring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from secateur.proof.record import Check

_ABOUT = "about"


class Scores(dict[str, np.ndarray]):
    """Scores by weight path: for each prunable weight a float32 array of the weight's shape.

    Higher is worth more; all values are finite and not negative.

    Attributes:
        criterion: Name of the criterion that made them.
        notices: One sentence for each thing the user should know, such as a weight that could
            not be scored.
        checks: What was proved of them on some of the examples.
    """

    def __init__(
        self,
        scores: Mapping[str, np.ndarray],
        *,
        criterion: str = "",
        notices: Iterable[str] = (),
        checks: Iterable[Check] = (),
    ):
        super().__init__(scores)
        self.criterion = criterion
        self.notices = list(notices)
        self.checks = list(checks)

    def save(self, path: Path) -> None:
        """Writes an `.npz` file, without pickles."""
        checks = [check.model_dump() for check in self.checks]
        about = json.dumps({"criterion": self.criterion, "notices": self.notices, "checks": checks})
        arrays = {f"/{name}": values for name, values in self.items()}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_ABOUT: np.array(about)}, **arrays)

    @classmethod
    def load(cls, path: Path) -> Scores:
        """Reads what `save` has written.

        Raises:
            ValueError: The file is damaged, or none of scores.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file[_ABOUT]))
                checks = [Check(**check) for check in about.get("checks", ())]
                arrays = {name[1:]: file[name] for name in file.files if name != _ABOUT}
        except OSError:
            raise
        except Exception as error:  # whatever a damaged zip file makes its readers raise
            raise ValueError(f"{str(path)!r} is no file of scores: {error}") from error
        return cls(arrays, criterion=about["criterion"], notices=about["notices"], checks=checks)

    def digest(self) -> str:
        """SHA-256 of the scores by path."""
        digest = hashlib.sha256()
        for path in sorted(self):
            values = np.ascontiguousarray(self[path])
            digest.update(json.dumps([path, str(values.dtype), list(values.shape)]).encode())
            digest.update(values.tobytes())
        return digest.hexdigest()
