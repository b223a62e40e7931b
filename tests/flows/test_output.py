"""The output folder of every command: what is refused before any work, in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from secateur.flows.cli import main
from secateur.flows.compress_parameters import CompressParameters
from secateur.flows.parameters import PruneParameters
from secateur.flows.search_parameters import SearchParameters, SensitivityParameters
from secateur.flows.sweep_parameters import SweepParameters

COMMANDS = {
    "prune": ["--target.ratio", "0.9"],
    "sweep": ["--sweep.target.ratio", "0.5,0.9"],
    "search": ["--budget.accuracy_drop", "0.01"],
    "sensitivity": [],
    "compress": [],
    "transfer": [],
}
FOREIGN = {
    "prune": "tensorboard/mine.txt",
    "sweep": "models/mine.txt",
    "search": "prune.yaml",
    "sensitivity": "sensitivity.png",
    "compress": "model_dynamic_int8.tflite",
    "transfer": "transfer.md",
}


@pytest.fixture
def model(tmp_path):
    """A model's file."""
    import keras

    keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)]).save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


@pytest.fixture
def refused(model, tmp_path, capsys, monkeypatch):
    """Runs a command that has to be refused, and gives the sentence."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *arguments: str) -> str:
        given = [*COMMANDS[command], *arguments]
        if command == "transfer" and "--transfer.source" not in arguments:
            given += ["--transfer.source", str(model)]
        before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        assert main([command, *given]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        after = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        assert before == after
        assert len([line for line in lines if line.startswith(f"secateur {command}: ")]) == 1
        return " ".join(" ".join(lines).split())

    return run


@pytest.mark.parametrize(
    ("parameters", "needed"),
    [
        (PruneParameters, {"target": {"ratio": 0.9}}),
        (SweepParameters, {"sweep": {"target": {"ratio": [0.5, 0.9]}}}),
        (SearchParameters, {"budget": {"accuracy_drop": 0.01}}),
        (SensitivityParameters, {}),
        (CompressParameters, {}),
    ],
)
def test_a_tilde_is_the_home_folder(parameters, needed, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    parameters(**needed, output="~/results").check()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "results").write_text("")
    with pytest.raises(ValueError, match="which is a file"):
        parameters(**needed, output="~/results").check()
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_foreign_file_is_refused_by_name(command, refused, tmp_path):
    place = tmp_path / "out" / FOREIGN[command]
    place.parent.mkdir(parents=True)
    place.write_text("precious")
    name = FOREIGN[command].partition("/")[0]
    said = refused(command, "--output", "out")
    assert f"'{tmp_path}/out' has '{name}' where results would be written, which is not" in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "output: '' names no folder; give one, such as out."),
        (" ", "output: ' ' names no folder"),
        ("/", "output is '/', which is a folder of the whole machine"),
        ("~", "a home folder"),
        ("~nosuchuser/out", "there is no home folder '~nosuchuser'"),
        ("/etc/secateur", "which is the system's (/etc)"),
        ("mine.keras", "which is a file; give a folder."),
        ("s3://bucket/out", "is a URL"),
    ],
)
def test_folders_that_are_none_for_results_are_refused(command, output, message, refused):
    assert message in refused(command, "--output", output)


@pytest.mark.parametrize("command", ["prune", "sweep", "search", "sensitivity", "compress"])
def test_the_model_is_not_written_over(command, refused, model, tmp_path):
    model.rename(tmp_path / "model.keras")
    if command in ("sweep", "sensitivity"):  # they write no such file
        model = tmp_path / "models" if command == "sweep" else tmp_path / "sensitivity.png"
        model.mkdir()
        (tmp_path / "model.keras").rename(model / "model.keras")
        given = str(model / "model.keras")
    else:
        given = "model.keras"
    said = refused(command, "--model.path", given, "--output", ".")
    assert f"model.path is {given!r}, where the result" in said


def test_other_inputs_are_not_written_over(refused, model, tmp_path):
    model.rename(tmp_path / "model.keras")
    said = refused("transfer", "--transfer.source", ".", "--output", ".")
    assert "transfer.source is" in said
    assert "where the result 'model.keras' would be written" in said
    (tmp_path / "data").mkdir()
    for split in ("train", "test"):
        (tmp_path / "data" / f"{split}.csv").write_text("a,label\n1,0\n2,1\n")
    said = refused("prune", "--dataset.path", "data", "--output", "data/out")
    assert "lies in what dataset.path names ('data')" in said
    tpe = ("--search.strategy", "tpe", "--search.study")
    said = refused("search", *tpe, "out/search.json", "--output", "out")
    assert "search.study is" in said
    (tmp_path / "notes.txt").write_text("mine")
    assert "which is no study" in refused("search", *tpe, "notes.txt", "--output", "out")


@pytest.mark.parametrize("command", ["prune", "sweep", "search", "sensitivity", "compress"])
def test_the_configuration_is_not_written_over(command, refused, tmp_path):
    from secateur.output import names_of, replace

    name = names_of(command)[0]
    replace(tmp_path, command, lambda to: (to / name).write_text("seed: 1\n"), last=name)
    said = refused(command, "--config", name, "--output", ".")
    assert f"--config is {name!r}, where the result {name!r} would be written" in said


def test_a_run_of_a_deployment_is_refused_as_well(tmp_path):
    """Prefect checks the parameters by the flow's signature, and the flow checks the folder."""
    from prefect.exceptions import ParameterTypeError

    from secateur.flows.compress import compress
    from secateur.flows.prune import prune
    from secateur.flows.search import search
    from secateur.flows.sensitivity import sensitivity
    from secateur.flows.sweep import sweep
    from secateur.flows.transfer import transfer

    needed = {
        prune: {"target": {"ratio": 0.9}},
        sweep: {"sweep": {"target": {"ratio": [0.5]}}},
        search: {"budget": {"accuracy_drop": 0.01}},
        transfer: {"transfer": {"source": "x.keras"}},
        compress: {},
        sensitivity: {},
    }
    (tmp_path / "mine").mkdir()
    for name in ("report.json", "sweep.json", "search.json", "compress.json", "sensitivity.json"):
        (tmp_path / "mine" / name).write_text("{}")
    for flow, given in needed.items():
        for output in ("", "  "):
            with pytest.raises(ParameterTypeError, match="names no folder"):
                flow.validate_parameters({**given, "output": output})
        assert flow.validate_parameters({**given, "output": "o"})["output"] == Path("o")
        field = flow.parameters.properties["output"]
        assert (field["type"], field["format"]) == ("string", "path")
        if flow is not transfer:
            for output, why in ((tmp_path / "mine", "not from an earlier run"), ("/", "machine")):
                checked = flow.validate_parameters({**given, "output": str(output)})
                with pytest.raises(ValueError, match=why):
                    flow.fn(**checked)
