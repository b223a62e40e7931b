"""The flow `sensitivity`: what pruning each layer alone does to the accuracy."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from secateur.datasets.config import DatasetConfig
from secateur.flows.parameters import Seed
from secateur.flows.pipeline import stage_runner
from secateur.flows.search_parameters import SensitivityParameters
from secateur.flows.search_wiring import wire_sensitivity
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import OutputFolder
from secateur.searching.curves import Sensitivity
from secateur.searching.sensitivity_config import SensitivityConfig
from secateur.searching.target_config import SearchTarget
from secateur.tasks.pinned import pinned
from secateur.tasks.sensitivity_report import sensitivity_report
from secateur.tasks.tags import tag_flow_run
from secateur.training.config import TrainConfig


def _run_name() -> str:
    names = SensitivityParameters.model_fields
    given = {k: v for k, v in flow_run.parameters.items() if k in names}
    p = SensitivityParameters.model_validate(given)
    source = p.model.label
    return "-".join(["sensitivity", p.dataset.label, source, *p.target.pattern])


@flow(name="sensitivity", flow_run_name=_run_name)
def sensitivity(
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
    model: ModelConfig = ModelConfig(),  # noqa: B008
    train: TrainConfig = TrainConfig(),  # noqa: B008
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    target: SearchTarget = SearchTarget(),  # noqa: B008
    sensitivity: SensitivityConfig = SensitivityConfig(),  # noqa: B008
    seed: Seed = 0,
    output: OutputFolder = Path("out"),
) -> list[Sensitivity]:
    """Prunes each layer alone at several ratios, and shows what it does to the accuracy.

    Args:
        dataset: The data that trains, calibrates and measures; the curves are of its validation
            split.
        model: The model: built-in, a file, or a factory.
        train: How it is trained.
        importance: What a weight is worth.
        target: What may go, and where; of several patterns each has curves of its own.
        sensitivity: The ratios, and when a curve ends.
        seed: One integer for everything, at least 0.
        output: The folder of sensitivity.json, sensitivity.png and data.html.

    Returns:
        The curves, once a pattern.

    Raises:
        ValueError: One sentence about a parameter, before any work.
    """
    given = dict(locals())
    names = SensitivityParameters.model_fields
    p = SensitivityParameters.model_validate({name: given[name] for name in names})
    runs = p.check()
    tag_flow_run(p.dataset.label, "sensitivity")
    with p.destination().claim(), pinned():
        found = [wire_sensitivity(run, p.sensitivity, stage_runner(run)[0]) for run in runs]
        report = sensitivity_report(
            found[0].data, [each.sensitivity for each in found], runs[0].output
        )
    for each in report:
        for notice in each.notices:
            get_run_logger().warning(notice)
    return report


if __name__ == "__main__":
    import sys

    from secateur.flows.cli import main

    sys.exit(main(["sensitivity", *sys.argv[1:]]))
