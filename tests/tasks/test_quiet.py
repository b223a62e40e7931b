"""TensorFlow's start says nothing; errors and all that follows are heard."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from secateur.tasks import quiet


@pytest.mark.slow
def test_tensorflow_starts_without_a_word():
    code = "from secateur.tasks.quiet import import_tensorflow as start; start(); start()"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


class _TensorFlow:
    """Stands for TensorFlow on a machine with two GPUs; keeps what it is told."""

    def __init__(self):
        self.told = []
        self.config = self.experimental = self

    def list_physical_devices(self, kind):
        return [f"{kind}:0", f"{kind}:1"] if kind == "GPU" else [f"{kind}:0"]

    def set_memory_growth(self, device, on):
        self.told.append((device, on))

    def set_logical_device_configuration(self, device, parts):
        self.told.append((device, len(parts)))

    LogicalDeviceConfiguration = object


def test_gpus_take_memory_as_they_need_it_and_the_processor_is_divided_as_asked(monkeypatch):
    found = _TensorFlow()
    quiet._set_devices(found)
    assert found.told == [("GPU:0", True), ("GPU:1", True)]
    monkeypatch.setenv("SECATEUR_CPU_DEVICES", "3")
    quiet._set_devices(found)
    assert found.told[4:] == [("CPU:0", 3)]


@pytest.mark.parametrize("said", ["0", "two", "-1", "1025"])
def test_a_number_of_devices_that_is_none_is_one_sentence(said, monkeypatch):
    monkeypatch.setenv("SECATEUR_CPU_DEVICES", said)
    with pytest.raises(ValueError, match=f"SECATEUR_CPU_DEVICES is '{said}'; give a whole number"):
        quiet._set_devices(_TensorFlow())
