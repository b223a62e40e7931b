"""The parameters of the group `publish`: when results go out, and when somebody is told."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from secateur.report.tracking import check_tracking
from secateur.schema import tell_bounds


class PublishConfig(BaseModel):
    """When results are written to `output`, and when somebody is told of them."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Publishing"
    )

    approval: bool = Field(
        default=False,
        description="Wait for a person, who sees the figures and agrees, before anything is "
        "written. A run of a deployment is suspended until somebody presses Resume in the UI; "
        "the command line asks on the terminal.",
    )
    accuracy_bar: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="The lowest accuracy on the test split that is good enough, as a share; where "
        "the first metric is another one, its lowest value, and of an error the highest. Of a "
        "model that does not reach it the event secateur.accuracy.low tells, which an automation "
        "can pass on. Empty: no bar.",
    )
    mlflow: Annotated[str, Field(min_length=1, max_length=250)] | None = Field(
        default=None,
        description="Name of the experiment in MLflow that the run is written to as well; the "
        "server is that of the environment variable MLFLOW_TRACKING_URI. Empty: none.",
    )

    def check(self) -> None:
        """Refuses what this machine has not installed.

        Raises:
            ValueError: One sentence.
        """
        if self.mlflow is not None:
            check_tracking()
