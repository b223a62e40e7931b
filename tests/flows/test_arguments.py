"""Parameters from flags and a YAML file: what is told, what is taken, what is refused."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from secateur.flows.arguments import Flags
from secateur.flows.parameters import PruneParameters

RATIO = ["--target.ratio", "0.9"]


@pytest.fixture
def read(capsys):
    """Reads flags as the command `prune` does."""

    def from_flags(*flags):
        parser = argparse.ArgumentParser(prog="secateur prune")
        taken = Flags(PruneParameters, parser)
        return taken.read(parser.parse_args(flags))

    return from_flags


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return ["--config", str(path)]

    return write


def _refused(read, *flags):
    with pytest.raises(ValueError) as error:  # noqa: PT011  (the callers look at the message)
        read(*flags)
    return str(error.value)


def _fields(model, prefix=""):
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _fields(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


FIELDS = dict(_fields(PruneParameters))


@pytest.fixture(scope="module")
def help_texts():
    """The help of each flag, on one line."""
    parser = argparse.ArgumentParser(prog="secateur prune")
    Flags(PruneParameters, parser)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "2000")  # no line is broken
        text = parser.format_help()
    parts = re.split(r"^  --", text.partition("options:")[2], flags=re.MULTILINE)[1:]
    parts = [part.partition("\n\n")[0].split() for part in parts]  # the next group has a heading
    return {words[0]: " ".join(words) for words in parts}


def test_the_schema_that_makes_the_form_of_the_ui_describes_every_field():
    schema = PruneParameters.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    assert len(models) >= 8
    for model in models:
        assert model["additionalProperties"] is False
        for name, field in model["properties"].items():
            assert len(field.get("description", "")) > 5, name
            low = {**field, **field.get("anyOf", [{}])[0]}.get("minimum")
            assert low is None or f"t least {low}" in field["description"], name


@pytest.mark.parametrize("name", FIELDS)
def test_help_tells_description_and_default_of_every_field(name, help_texts):
    field, text = FIELDS[name], help_texts[name]
    assert " ".join(field.description.split()) in text
    if field.default is None:
        assert ("default: empty" in text) != ("Default:" in field.description)
    else:
        assert f"default: {field.default if field.default != () else 'empty'}" in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("target.ratio", "(at least 0, below 1; default: empty)"),
        ("target.end", "(above 0, at most 1; default: 0.75)"),
        ("train.epochs", "(at least 0, at most 100000)"),
        ("train.learning_rate", "(above 0, at most 10; default: 0.001)"),
        ("seed", "(at least 0, at most 2147483647; default: 0)"),
        ("importance.examples", "(at least 1; default: empty)"),
        ("dataset.validation", "(at least 0, at most 0.5; default: 0.1)"),
    ],
)
def test_help_tells_bounds(name, bounds, help_texts):
    assert help_texts[name].endswith(bounds)


def test_help_lists_choices(help_texts):
    assert help_texts["model.name"].startswith("model.name {simple_net,lenet_300_100,lenet_5,")


def test_flags_reach_their_fields(read):
    given = read(
        *RATIO,
        *("--importance.criterion", "magnitude"),
        *("--fine_tune.epochs", "3"),
        *("--train.learning_rate", "1e-2"),
        *("--seed", "7"),
        *("--output", "a b/out"),
        *("--dataset.name", "123"),
    )
    assert given.target.ratio == 0.9
    assert given.importance.criterion == "magnitude"
    assert (given.fine_tune.epochs, given.train.learning_rate, given.seed) == (3, 0.01, 7)
    assert given.output == Path("a b/out")
    assert given.dataset.name == "123"


def test_what_is_not_given_has_its_default(read):
    assert read(*RATIO) == PruneParameters(target={"ratio": 0.9})


@pytest.mark.parametrize(
    "flags",
    [
        ["--target.include", "conv_*", "--target.include", "dense_1"],
        ["--target.include", "conv_*,dense_1"],
        ["--target.include", '["conv_*", "dense_1"]'],
    ],
)
def test_a_list_is_given_in_pieces_by_commas_or_as_json(flags, read):
    assert read(*RATIO, *flags).target.include == ("conv_*", "dense_1")


def test_pairs_and_mappings(read):
    assert read(*RATIO, "--dataset.image_size", "32,48").dataset.image_size == (32, 48)
    given = read("--target.allocation", '{"conv_*": 0.5, "logits": 0}')
    assert given.target.allocation == {"conv_*": 0.5, "logits": 0}


def test_a_yaml_file_gives_parameters(read, config):
    text = """
    target: {ratio: 0.8, include: [dense_1, dense_2]}
    train:
      epochs: 4
      learning_rate: 1e-2
    output: größe
    seed: 3
    """
    given = read(*config(text))
    assert (given.target.ratio, given.target.include) == (0.8, ("dense_1", "dense_2"))
    assert (given.train.epochs, given.train.learning_rate) == (4, 0.01)
    assert (given.seed, given.output) == (3, Path("größe"))


def test_flags_win_over_the_file_field_by_field(read, config):
    file = config("target: {ratio: 0.8, floor: 5}\ntrain: {epochs: 4, batch_size: 64}\nseed: 3\n")
    given = read(*file, *RATIO, "--train.epochs", "1")
    assert (given.target.ratio, given.target.floor) == (0.9, 5)
    assert (given.train.epochs, given.train.batch_size, given.seed) == (1, 64, 3)


def test_a_mapping_from_a_flag_replaces_that_of_the_file(read, config):
    file = config("target: {allocation: {conv_1: 0.5}}\n")
    given = read(*file, "--target.allocation", '{"conv_2": 0.25}')
    assert given.target.allocation == {"conv_2": 0.25}


def test_a_flag_that_gives_the_default_wins_over_the_file_too(read, config):
    assert read(*config("seed: 3\n"), *RATIO, "--seed", "0").seed == 0


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_gives_nothing(text, read, config):
    assert read(*config(text), *RATIO) == read(*RATIO)


def test_a_report_can_be_run_again(read, config):
    """The `parameters` of a report are a configuration."""
    first = read(*RATIO, "--seed", "4", "--train.epochs", "2").resolved()
    again = read(*config(first.model_dump_json()))
    assert again.resolved() == first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("target: {ratio: 0.9, ratoi: 1}", "target.ratoi is no parameter; see --help"),
        ("targets: {ratio: 0.9}\ntarget: {ratio: 0.9}", "targets is no parameter"),
        ("target: {ratio: 0.9}\ntrain: 5", "train is 5: it is a group; give its fields"),
        ("target: {ratio: 0.9}\ntrain:", "train is None: it is a group"),
        ("target: {ratio: 0.9}\nseed: [1]", "seed is [1]: input should be a valid integer."),
        ("target: {ratio: yes}", "target.ratio is True: "),
        ("target: {ratio: .nan}", "target.ratio is nan: input should be a finite number."),
        ("[1, 2]", "which holds a list; it has to map groups to their fields"),
        ("ratio", "which holds a str; it has to map groups"),
        ("target: {ratio: 0.9", "which is no YAML: "),
        ("a: !!python/object/apply:os.getcwd []", "which is no YAML: "),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_sentence(text, told, read, config):
    message = _refused(read, *config(text))
    assert told in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_named(read, tmp_path):
    assert "none.yaml', which cannot be read: No such file" in _refused(
        read, "--config", str(tmp_path / "none.yaml")
    )
    assert "which cannot be read: Is a directory" in _refused(read, "--config", str(tmp_path))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert "which is no YAML" in _refused(read, "--config", str(tmp_path / "bytes.yaml"))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--target.ratio", "1"], "target.ratio is '1': input should be less than 1."),
        (["--target.ratio", "-0.1"], "input should be greater than or equal to 0."),
        (["--target.ratio", "much"], "target.ratio is 'much': input should be a valid number"),
        ([], "target is missing: say how much to remove, such as target.ratio 0.9"),
        ([*RATIO, "--train.epochs", "1.5"], "train.epochs is '1.5': input should be a valid int"),
        ([*RATIO, "--model.name", "vgg"], "model.name is 'vgg': input should be 'simple_net', "),
        (
            [*RATIO, "--target.threshold", "1"],
            "target: the target says how much to remove in 2 ways: ratio 0.9 and threshold 1.0; ",
        ),
        (
            [*RATIO, "--importance.criterion", "gradiant"],
            "importance.criterion: 'gradiant' is not a criterion; choose one of ",
        ),
        ([*RATIO, "--importance.criterion", "gradiant"], "Did you mean 'gradient'?"),
        ([*RATIO, "--dataset.image_size", "32"], "dataset.image_size has too few values"),
        ([*RATIO, "--dataset.image_size", "32,x"], "dataset.image_size is 'x': input should be"),
        ([*RATIO, "--target.include", "[ab]*"], 'as JSON, such as --target.include \'["conv[12]"'),
        ([*RATIO, "--target.include", "["], "The flags cannot be read (Parsing error"),
        (["--target.allocation", "most", *RATIO], "allocation is 'most'; use auto, global, "),
        (["--target.allocation", '{"a": 2}'], "gives 'a' the ratio 2; use a number from 0"),
    ],
)
def test_a_flag_that_is_wrong_is_refused_in_one_sentence(flags, told, read):
    message = _refused(read, *flags)
    assert told in message
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert "?." not in message


def test_each_wrong_parameter_has_its_own_line(read):
    message = _refused(read, "--target.ratio", "2", "--train.epochs", "-1", "--seed", "x")
    lines = message.splitlines()
    assert [line.split()[0] for line in lines] == ["train.epochs", "target.ratio", "seed"]


@pytest.mark.parametrize(
    "flag", ["--nonsense", "--train.nonsense", "--target.rat", "--train.epoch"]
)
def test_unknown_and_shortened_flags_are_refused(flag, read, capsys):
    with pytest.raises(SystemExit) as error:
        read(*RATIO, flag, "0.5")
    assert error.value.code == 2
    assert f"unrecognized arguments: {flag} 0.5" in capsys.readouterr().err


def test_the_help_says_what_to_write(capsys):
    from secateur.flows.cli import main

    for command in ("prune", "sweep"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = capsys.readouterr().out
        assert not re.search(r"(tuple|list|dict)\[|\{\{|\bfloat\b|--\S+ (str|int|Path)\b", shown)
    assert "--sweep.target.ratio X,...\n" in shown
    assert "--target.allocation {auto,global,uniform,erk,lamp,JSON}\n" in shown


def test_the_environment_gives_no_parameters(read, monkeypatch):
    for name in ("SEED", "seed", "TARGET", "TARGET__RATIO", "TRAIN__EPOCHS", "CONFIG"):
        monkeypatch.setenv(name, "5")
    assert read(*RATIO) == PruneParameters(target={"ratio": 0.9})


def test_reading_parameters_imports_no_tensorflow():
    code = (
        "import argparse, sys\n"
        "from secateur.flows.arguments import Flags\n"
        "from secateur.flows.parameters import PruneParameters\n"
        "import secateur.flows.cli, secateur.flows.terminal\n"
        "parser = argparse.ArgumentParser()\n"
        "flags = Flags(PruneParameters, parser)\n"
        "flags.read(parser.parse_args(['--target.ratio', '0.9'])).resolved()\n"
        "assert not {'tensorflow', 'keras', 'prefect'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
