"""What the store hands out: an artifact, and the small reference that tasks exchange."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class Reference(BaseModel):
    """Names an artifact: its key, the digest of its content, and where it lies (for people)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    digest: str
    uri: str


@dataclass(frozen=True)
class Artifact:
    """A whole artifact, checked, with its files on this machine.

    The files belong to the store: read or copy them, never write to, link or move them.

    Attributes:
        key: what it was built from (64 hex digits).
        digest: digest of its content, as the builder gave it.
        stage: the stage that built it.
        directory: the local folder of its files.
        uri: where the store keeps it, without credentials.
        created: when it was built (UTC).
        seconds: how long the build took.
        bytes: size of all its files.
        metadata: small facts the builder noted.
        inputs: what the builder said it was made from.
    """

    key: str
    digest: str
    stage: str
    directory: Path
    uri: str
    created: datetime.datetime
    seconds: float
    bytes: int
    metadata: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> Reference:
        return Reference(key=self.key, digest=self.digest, uri=self.uri)
