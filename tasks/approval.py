"""Asking a person whether results may go out: in the Prefect UI, or on the terminal."""

from __future__ import annotations

from collections.abc import Callable

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from prefect.states import Cancelled
from pydantic import Field

askers: list[Callable[[str], bool]] = []
"""Who is asked where no run can be suspended: called with the figures in Markdown."""


class Approval(RunInput):
    """The form of a suspended run."""

    publish: bool = Field(default=True, description="Write the results to the output folder.")
    reason: str = Field(default="", description="Why, for the log of the run.")


def check_approval() -> None:
    """Refuses, before any work, where nobody can be asked.

    Raises:
        ValueError: One sentence.
    """
    if not deployment.get_id() and not askers:
        raise ValueError(
            "publish.approval is on, but Prefect suspends only runs of a deployment, and there is "
            "no terminal to ask on; run it as a deployment or on a terminal, or switch it off."
        )


def approved(figures: str) -> Approval:
    """Asks once, and gives the answer; a run of a deployment ends here and begins anew with it.

    Args:
        figures: What there is to decide on, in Markdown.
    """
    if not deployment.get_id():
        return Approval(publish=all(ask(figures) for ask in askers))
    form = Approval.with_initial_data(description=figures)
    answer = suspend_flow_run(wait_for_input=form, key="approval")
    create_markdown_artifact(_minutes(answer), key="approval", description="Whether to publish")
    return answer


def _minutes(answer: Approval) -> str:
    said = "Published" if answer.publish else "Not published"
    return f"{said}: {answer.reason.rstrip('.') or 'no reason was given'}.\n"


def rejected(answer: Approval) -> State:
    """How a run ends whose results were not wanted."""
    return Cancelled(name="Rejected", message=_minutes(answer).strip())
