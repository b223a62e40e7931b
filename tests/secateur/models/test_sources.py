"""What may be loaded as a model, answered from parameters, files and the operator's setting."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile

import pytest

from secateur.factories import ModelSettings
from secateur.models.config import ModelConfig
from secateur.models.sources import check_model, file_digest, source_fingerprint


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A current folder without `.env`, and no setting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SECATEUR_MODEL_MODULES", raising=False)


@pytest.mark.parametrize(
    ("setting", "module", "allowed"),
    [
        ("", "nets", False),
        ("", "", False),
        (",", "", False),
        ("nets", "nets", True),
        ("nets", "nets.small.deep", True),
        ("nets", "nets_of_another", False),
        ("nets", "net", False),
        ("nets.small", "nets", False),
        ("nets.small", "nets.large", False),
        (" other , nets ", "nets.small", True),
    ],
)
def test_the_operator_allows_modules_and_what_is_inside(setting, module, allowed, monkeypatch):
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", setting)
    assert ModelSettings().allows(module) is allowed


def test_the_setting_can_stand_in_a_file(tmp_path):
    (tmp_path / ".env").write_text("SECATEUR_MODEL_MODULES=json\nOTHER=1\n")
    check_model(ModelConfig(factory="json:loads"))


def test_a_factory_that_is_not_allowed_is_refused_and_not_imported(tmp_path, monkeypatch):
    (tmp_path / "nets_not_allowed.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = ModelConfig(factory="nets_not_allowed:build")
    with pytest.raises(ValueError, match="'nets_not_allowed', which the operator has not allowed;"):
        check_model(config)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "nets_not_allowed")
    check_model(config)
    assert "nets_not_allowed" not in sys.modules


def test_a_factory_whose_package_is_missing_is_refused(monkeypatch):
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "nets_nowhere")
    with pytest.raises(ValueError, match=r"'nets_nowhere\.small', which is not installed"):
        check_model(ModelConfig(factory="nets_nowhere.small:build"))


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"which is no file; give a \.keras file"):
        check_model(ModelConfig(path=str(tmp_path / "none.keras")))
    with pytest.raises(ValueError, match="which is no file"):
        check_model(ModelConfig(path=str(tmp_path)))
    (tmp_path / "model.h5").write_bytes(b"")
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        check_model(ModelConfig(path=str(tmp_path / "model.h5")))
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(ValueError, match="which is a zip archive"):
        check_model(ModelConfig(path=str(tmp_path / "model.keras")))


def test_a_preset_whose_layer_is_in_a_module_that_is_not_allowed_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("keras_hub")
    layer = {"module": "nets_preset", "class_name": "Mine", "registered_name": "mine>Mine"}
    (tmp_path / "nets_preset.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "task.json").write_text(json.dumps({"config": {"layers": [layer]}}))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"model.preset is in the module 'nets_preset', which"):
        check_model(ModelConfig(preset=str(tmp_path)))
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "nets_preset")
    check_model(ModelConfig(preset=str(tmp_path)))
    assert "nets_preset" not in sys.modules


def test_a_file_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
    config = ModelConfig(path="~/model.keras")
    check_model(config)
    assert source_fingerprint(config) == file_digest(tmp_path / "model.keras")


def test_a_files_digest_is_that_of_its_bytes(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "model.keras").write_bytes(content)
    assert file_digest(tmp_path / "model.keras") == hashlib.sha256(content).hexdigest()


def test_an_architecture_has_no_source_of_its_own():
    assert source_fingerprint(ModelConfig()) is None
