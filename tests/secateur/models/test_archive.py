"""A file that is no model, or more than one, is refused before anything of it is loaded."""

from __future__ import annotations

import json
import pickle
import zipfile

import keras
import pytest

from secateur.models.archive import check_archive


@pytest.fixture
def archive(tmp_path):
    """Writes a zip archive named like a model."""

    def write(members, compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, content in members.items():
                file.writestr(name, content)
        return path

    return write


def _members(config=None, **more):
    plain = {"metadata.json": "{}", "config.json": json.dumps(config or {})}
    return {**plain, "model.weights.h5": b"", **more}


def test_a_model_of_keras_is_taken(tmp_path):
    layers = [keras.Input((4,)), keras.layers.Dense(2, activation="relu")]
    keras.Sequential(layers).save(tmp_path / "model.keras")
    check_archive(tmp_path / "model.keras")


class _Trap:
    """Unpickled, it would end the tests."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(ValueError, match=r"is no \.keras file, which is a zip archive"):
        check_archive(path)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Lambda(lambda x: x + 1),
        keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x)]),
    ],
    ids=["layer", "nested"],
)
def test_code_is_refused(layer, tmp_path):
    keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"holds a .*ambda.*, which is code") as caught:
        check_archive(tmp_path / "model.keras")
    assert "\n" not in str(caught.value)


def test_code_of_a_function_is_refused(archive):
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAAAAAAA"}}
    config = {"class_name": "Dense", "config": {"activation": code}}
    with pytest.raises(ValueError, match="holds a Python lambda, which is code"):
        check_archive(archive(_members({"layers": [config]})))


def test_a_bomb_is_not_unpacked(archive, monkeypatch):
    monkeypatch.setattr("secateur.models.archive._HARMLESS", 1 << 20)
    path = archive(_members(bomb=b"\0" * (8 << 20)))
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="would unpack to 8,388,"):
        check_archive(path)


def test_much_that_compresses_as_weights_do_is_no_bomb(archive, monkeypatch):
    monkeypatch.setattr("secateur.models.archive._HARMLESS", 1 << 20)
    check_archive(archive(_members(weights=b"\0" * (8 << 20)), zipfile.ZIP_STORED))


def test_a_configuration_of_endless_length_is_not_read(archive, monkeypatch):
    monkeypatch.setattr("secateur.models.archive._LARGEST_CONFIG", 1000)
    path = archive(_members(config={"a": "b" * 2000}))
    with pytest.raises(ValueError, match="do not load it"):
        check_archive(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "assets/../../evil"])
def test_a_path_that_leads_outside_is_refused(archive, name):
    with pytest.raises(ValueError, match="outside its folder"):
        check_archive(archive(_members(**{name: "x"})))


@pytest.mark.parametrize("missing", ["config.json", "metadata.json"])
def test_another_archive_is_named_as_such(archive, missing):
    members = _members()
    del members[missing]
    with pytest.raises(ValueError, match=f"an archive without {missing}"):
        check_archive(archive(members))


def test_a_configuration_that_is_no_json_is_told(archive):
    path = archive({**_members(), "config.json": "{"})
    with pytest.raises(ValueError, match="no JSON"):
        check_archive(path)
