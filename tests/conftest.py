"""What all tests share: a quiet TensorFlow, no telemetry, a store of their own, and the data."""

from __future__ import annotations

import os

# Read once, when TensorFlow and Prefect are imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
from hypothesis import settings

# On a build server the same examples each time: new ones are found where somebody can look at them.
settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_STORE", str(tmp_path / "store"))


@pytest.fixture(scope="session")
def mnist_5k(tmp_path_factory):
    """The bundled data set, loaded once."""
    from secateur.datasets.config import DatasetConfig
    from secateur.datasets.load import materialize

    return materialize(DatasetConfig(), tmp_path_factory.mktemp("mnist_5k"))


@pytest.fixture(scope="session")
def prefect_server():
    """A Prefect server for the tests that run flows."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield
