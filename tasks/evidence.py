"""What the stages of a run have left -> what its page shows beside the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from secateur.explanation.schema import Explained
from secateur.report.evidence import Evidence, Origin
from secateur.report.histories import named
from secateur.store import Artifact, Reference
from secateur.tasks.data_card import card_of, data_of
from secateur.tasks.stage import StageResult, read, versions


def evidence_of(
    results: Sequence[StageResult], explanation: Reference | None, command: str
) -> tuple[Evidence, Path | None]:
    """Reads the artifacts of a run.

    Args:
        results: What the stages gave, in their order.
        explanation: The artifact of the stage `explain`, if the run had it.
        command: What runs the same again.

    Returns:
        The evidence, and the folder of TensorBoard's logs if there is one.
    """
    artifacts = [read(result) for result in results]
    told, logs = None, None
    data = data_of(results)
    if explanation is not None:
        folder = read(explanation).directory
        told, logs = Explained.load(folder), folder / "tensorboard"
    evidence = Evidence(
        command=command,
        data=next((a.metadata["info"] for a in artifacts if a.stage == "load_data"), {}),
        versions=versions(),
        origins=[
            _origin(result, artifact) for result, artifact in zip(results, artifacts, strict=True)
        ],
        histories=named((a.stage, a.metadata.get("history", {})) for a in artifacts),
        card=card_of(data) if data else None,
        explanation=told.facts if told else None,
        pictures=told.pictures if told else None,
        masks=told.masks if told else None,
    )
    return evidence, logs if logs is not None and logs.exists() else None


def _origin(result: StageResult, artifact: Artifact) -> Origin:
    return Origin(
        record=result.record,
        parameters=artifact.inputs.get("parameters", {}),
        upstream=artifact.inputs.get("upstream", {}),
        digest=artifact.digest,
        created=artifact.created,
        seconds=artifact.seconds,
    )
