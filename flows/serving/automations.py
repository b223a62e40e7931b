"""What the server does by itself: mark lost runs as crashed, and tell of a poor model."""

from __future__ import annotations

from datetime import timedelta

from prefect import get_client
from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    DoNothing,
    EventTrigger,
    Posture,
    SendNotification,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

from secateur.tasks.announce import ACCURACY_LOW

_BEATS = 3
"""Heartbeats that a run may miss before it counts as lost."""


def automations(notify: str | None = None) -> list[AutomationCore]:
    """The automations that belong to the deployments.

    Args:
        notify: The notification block that tells of a poor model, as `type/name`, such as
            `slack-webhook/team`. None: the server notes the event, and tells nobody.

    Raises:
        ValueError: One sentence: there is no such block.
    """
    return [_lost_runs(), _poor_models(notify)]


def create_automations(notify: str | None = None, replace: bool = True) -> list[str]:
    """Creates them on the server, by their names.

    Args:
        notify: As above.
        replace: Whether one that is there already is made anew, or left as it is.

    Returns:
        The names of those that were created or replaced.
    """
    written = []
    with get_client(sync_client=True) as client:
        for automation in automations(notify):
            there = client.read_automations_by_name(automation.name)
            if there and not replace:
                continue
            for old in there:
                client.delete_automation(old.id)
            client.create_automation(automation)
            written.append(automation.name)
    return written


def _lost_runs() -> AutomationCore:
    beat = PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() or 180
    return AutomationCore(
        name="Secateur: mark lost runs as crashed",
        description="A run whose process or machine is gone sends no heartbeats any more. A "
        "sweep starts a trial again that crashed.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            # A run that beat has to show another sign: a beat, or that it ended or waits.
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=timedelta(seconds=_BEATS * beat),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message=f"No sign of life for {_BEATS * beat} seconds: its process or its "
                "machine was lost.",
            )
        ],
    )


def _poor_models(notify: str | None) -> AutomationCore:
    action = DoNothing() if notify is None else _notification(notify)
    return AutomationCore(
        name="Secateur: tell of accuracy below the bar",
        description="A run ended with a model that does not reach its parameter "
        "publish.accuracy_bar.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={ACCURACY_LOW},
            match={"prefect.resource.id": "secateur.report.*"},
            threshold=1,
            within=timedelta(0),
        ),
        actions=[action],
    )


def _notification(block: str) -> SendNotification:
    kind, _, name = block.partition("/")
    try:
        with get_client(sync_client=True) as client:
            found = client.read_block_document_by_name(name, kind)
    except ObjectNotFound as error:
        raise ValueError(
            f"--notify is {block!r}, a block that the server does not have; create one in the UI "
            "(Blocks) and name it as type/name, such as slack-webhook/team."
        ) from error
    return SendNotification(
        block_document_id=found.id,
        subject="{{ event.resource['prefect.resource.name'] }}: accuracy below the bar",
        body="{{ event.payload['message'] }}",
    )
