"""The flow `trial`: one trial of a sweep as a run of its own, for work pools."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from secateur.flows.trials import trial as run_trial


@flow(name="trial")
def trial(
    name: str,
    parameters: dict[str, Any],
    part: Literal["train", "importance", "candidate", "trial"] = "trial",
    rungs: tuple[int, ...] = (),
) -> None:
    """Runs the stages of one trial; a sweep starts it, and reads the results from the store.

    Args:
        name: The trial's values in short.
        parameters: All parameters of `prune`.
        part: How far the stages are run.
        rungs: Part `candidate`: epochs that fine-tuning is cut at.
    """
    run_trial(name=name, part=part, parameters=parameters, rungs=rungs)
