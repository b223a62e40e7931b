"""The end of the flow `compress`: the steps, into the output folder and the Prefect UI."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from secateur.evaluation.schema import Evaluation, Latency
from secateur.output import replace
from secateur.report.compress import CompressReport, Step, compress_markdown
from secateur.report.data import to_html
from secateur.store import Reference
from secateur.tasks.data_card import card_of, data_of, feeding_files
from secateur.tasks.exported import records
from secateur.tasks.said import checks_of, notices_of
from secateur.tasks.stage import StageResult, can_pass, read

_NAMES = {
    "dense": "dense",
    "kernels": "kernels cut",
    "channels": "channels removed",
    "weights": "weights removed",
    "bits": "clustered, quantized",
}


@task(
    name="report",
    task_run_name="report",
    cache_policy=NO_CACHE,
    retries=2,
    retry_condition_fn=can_pass,
)
def compress_report(
    parameters: dict[str, Any],
    results: Sequence[StageResult],
    wired: Mapping[str, Mapping[str, Reference]],
    output: Path,
) -> CompressReport:
    """Writes compress.json, compress.md, the final model and its files; always runs.

    Args:
        parameters: All groups, as plain JSON.
        results: What the stages gave, in their order.
        wired: Artifacts by subject; see `secateur.flows.compress.Wired`.
        output: The output folder.
    """
    data = data_of(results)
    assert data is not None
    card = card_of(data)
    report = CompressReport(
        schema_version=1,
        parameters=parameters,
        steps=_steps(wired),
        exports=records(wired["files"]["bits"]),
        stages=[result.record for result in results],
        notices=notices_of(results),
        checks=checks_of(results),
        data_card=card.without_pictures(),
    )
    text = compress_markdown(report)
    files = read(wired["files"]["bits"]).directory / "files"
    model = read(wired["models"]["weights"]).directory / "model.keras"

    def write(partial: Path) -> None:
        shutil.copytree(files, partial, dirs_exist_ok=True)
        for file in (model, *feeding_files(data)):
            shutil.copyfile(file, partial / file.name)
        (partial / "data.html").write_text(to_html(card), encoding="utf-8")
        (partial / "compress.md").write_text(text, encoding="utf-8")
        (partial / "compress.json").write_text(report.to_json(), encoding="utf-8")

    replace(output, "compress", write, last="compress.json")
    create_markdown_artifact(text, key="compress", description="The steps of the compression")
    return report


def _steps(wired: Mapping[str, Mapping[str, Reference]]) -> list[Step]:
    costs = {
        subject: Evaluation.model_validate_json(
            (read(evaluation).directory / "evaluation.json").read_text()
        ).cost
        for subject, evaluation in wired["evaluations"].items()
    }
    steps = []
    for subject, name in _NAMES.items():
        if subject not in wired["files"]:
            continue
        record = records(wired["files"][subject])[-1]
        timed = _latencies(wired["measured"]["channels" if subject == "dense" else subject])
        dense = timed["dense"]["litert-1"]
        cost = costs["weights" if subject == "bits" else subject]
        steps.append(
            Step(
                name=name,
                metrics=record.metrics if subject == "bits" else cost.metrics,
                parameters=cost.parameters,
                nonzero=cost.nonzero,
                flops=cost.flops,
                bytes=record.bytes,
                latency_ms=dense if subject == "dense" else timed["fine_tuned"][f"{record.name}-1"],
                dense_latency_ms=dense,
            )
        )
    return steps


def _latencies(measured: Reference) -> dict[str, dict[str, Latency]]:
    found = json.loads((read(measured).directory / "measured.json").read_text())
    return {
        subject: {name: Latency(**value) for name, value in part["latency_ms"].items()}
        for subject, part in found.items()
    }
