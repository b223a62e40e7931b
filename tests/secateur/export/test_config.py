"""What the export refuses before any work."""

from __future__ import annotations

import pytest

from secateur.evaluation.runtimes import packages
from secateur.evaluation.runtimes.packages import MissingRuntimeError, check_installed
from secateur.export.config import ExportConfig


def test_nothing_is_exported_unless_it_is_asked_for():
    assert not ExportConfig().asked
    assert ExportConfig(formats=("keras", "litert")).asked


def test_quantization_needs_a_litert_file():
    with pytest.raises(ValueError, match="add litert to formats"):
        ExportConfig(quantize="int8")
    assert ExportConfig(quantize="int8", formats=("litert",)).asked


def test_a_format_is_named_once():
    with pytest.raises(ValueError, match="names litert more than once"):
        ExportConfig(formats=("litert", "keras", "litert"))


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_a_runtime_that_is_not_installed_is_told_with_its_extra(format, monkeypatch):
    monkeypatch.setitem(packages.PACKAGES, format, ("no_such_runtime",))
    with pytest.raises(MissingRuntimeError, match=rf"no-such-runtime.*'secateur\[{format}\]'"):
        check_installed(format)


@pytest.mark.parametrize("format", ["keras", "saved_model", "litert", "onnx"])
def test_those_that_are_installed_are_not_refused(format):
    check_installed(format)
