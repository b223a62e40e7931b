"""The flow `search`: the pipeline chooses the ratios itself, within a budget."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.flows.parameters import PruneParameters, Seed
from secateur.flows.publish import PublishConfig
from secateur.flows.search_parameters import SearchParameters
from secateur.flows.search_steps import searched
from secateur.flows.trials import process_pool
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import OutputFolder, locate
from secateur.report.search import SearchReport
from secateur.searching.config import BudgetConfig, Objective, SearchConfig
from secateur.searching.sensitivity_config import SensitivityConfig
from secateur.searching.target_config import SearchTarget
from secateur.tasks.approval import approved, check_approval, rejected
from secateur.tasks.pinned import pinned
from secateur.tasks.progress import counted
from secateur.tasks.search_report import gather, search_report, to_markdown
from secateur.tasks.tags import tag_flow_run
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig


def _run_name() -> str:
    given = {k: v for k, v in flow_run.parameters.items() if k in SearchParameters.model_fields}
    return run_name(SearchParameters.model_validate(given))


def run_name(p: SearchParameters) -> str:
    """`search-<data>-<model>-<pattern>`, such as `search-mnist_5k-lenet_5-channel`."""
    source = p.model.label
    return "-".join(["search", p.dataset.label, source, *p.target.pattern])


@flow(name="search", flow_run_name=_run_name)
def search(
    budget: BudgetConfig,
    objective: Objective | None = None,
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
    model: ModelConfig = ModelConfig(),  # noqa: B008
    train: TrainConfig = TrainConfig(),  # noqa: B008
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    target: SearchTarget = SearchTarget(),  # noqa: B008
    correct: CorrectConfig = CorrectConfig(),  # noqa: B008
    fine_tune: FineTuneConfig = FineTuneConfig(),  # noqa: B008
    search: SearchConfig = SearchConfig(),  # noqa: B008
    sensitivity: SensitivityConfig = SensitivityConfig(),  # noqa: B008
    seed: Seed = 0,
    output: OutputFolder = Path("out"),
    publish: PublishConfig = PublishConfig(),  # noqa: B008
    workers: Annotated[int, Field(ge=1, le=1024)] = 1,
) -> SearchReport | State:
    """Finds the cheapest model within a drop of accuracy, or the most accurate one that fits.

    Args:
        budget: What may be spent: a drop of accuracy, or FLOPs, bytes or milliseconds.
        objective: With budget.accuracy_drop: what shall be low. Default: bytes.
        dataset: The data that trains, calibrates and measures.
        model: The model to prune: built-in, a file, or a factory.
        train: How the dense model is trained.
        importance: What a weight is worth.
        target: What may go, and where.
        correct: What is mended after each cut, without training.
        fine_tune: How the pruned models are trained.
        search: How it looks.
        sensitivity: How the effect of each layer is measured.
        seed: One integer for everything, at least 0.
        output: The folder of search.json, search.html, prune.yaml and model.keras.
        publish: When results are written, and who is told.
        workers: Processes that run candidates on this machine, at least 1.

    Returns:
        The report.

    Raises:
        ValueError: One sentence about a parameter, before any work.
        RuntimeError: If nothing keeps the budget; the sentence says what the best is.
        CancelledRun: If a person was asked and did not agree.
    """
    given = dict(locals())
    names = SearchParameters.model_fields
    p = SearchParameters.model_validate({name: given[name] for name in names})
    p = p.model_copy(update={"output": locate(p.output)})
    runs = p.check()
    if publish.approval:
        check_approval()
    tag_flow_run(p.dataset.label, "search")
    with p.destination().claim(), pinned():
        found = _search(p, runs)
        shared = json.loads(p.model_dump_json())
        if publish.approval:
            answer = approved(to_markdown(gather(shared, found)))
            if not answer.publish:
                return rejected(answer)
        return search_report(shared, found, p.output, publish.accuracy_bar)


def _search(p: SearchParameters, runs: Sequence[PruneParameters]) -> Any:
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(process_pool(p.workers)) if p.workers > 1 else None
        count = stack.enter_context(counted("candidates", p.expected))
        found = searched(p, runs, pool, count)
    for notice in found.notices:
        get_run_logger().warning(notice)
    return found


if __name__ == "__main__":
    import sys

    from secateur.flows.cli import main

    sys.exit(main(["search", *sys.argv[1:]]))
