"""`secateur inspect`: what it prints, and what it refuses."""

import keras
import pytest

from secateur.flows.cli import main

L = keras.layers


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    inner_in = keras.Input((8,))
    x = L.Dense(8, name="back")(L.Dense(6, name="inside")(inner_in))
    x = L.Add(name="add")([x, inner_in])
    inner = keras.Model(inner_in, x, name="block")
    inputs = keras.Input((4,))
    x = L.LayerNormalization(name="norm")(inner(L.Dense(8, name="stem")(inputs)))
    path = tmp_path_factory.mktemp("models") / "model.keras"
    keras.Model(inputs, L.Dense(3, name="logits")(x)).save(path)
    return path


def test_it_prints_layers_groups_and_parts(saved, capsys):
    assert main(["inspect", str(saved)]) == 0
    text = capsys.readouterr().out
    layers, groups, rest = text.split("\n\n", 2)
    assert ["block", "Functional", "8", "110", "192"] in [x.split() for x in layers.splitlines()]
    assert groups.splitlines()[1].split() == ["1", "block/inside", "channel", "6", "102", "192"]
    assert "stem: 'norm' normalises over these channels" in rest
    parts = {line.split()[0]: line.split()[1] for line in rest.split("\n\n")[-1].splitlines()[1:]}
    assert parts == {"block/add": "block", "block": "nested"}
    assert "inside/kernel[1]" not in text


def test_axes_and_channels_behind_a_normalisation_on_request(saved, capsys):
    assert main(["inspect", str(saved), "--axes", "--through-normalization"]) == 0
    groups = capsys.readouterr().out.split("\n\n")[1]
    assert "stem+block/back" in groups
    assert "norm/gamma[0]" in groups


def test_a_picture_is_written(saved, tmp_path, capsys):
    picture = tmp_path / "graph.svg"
    assert main(["inspect", str(saved), "--picture", str(picture)]) == 0
    assert "block/inside" in picture.read_text()
    assert "Picture:" in capsys.readouterr().err


def test_a_picture_takes_the_place_of_an_earlier_one_but_of_nothing_of_the_users(
    saved, tmp_path, capsys
):
    for name in ("one.svg", "two.svg", "one.svg"):
        assert main(["inspect", str(saved), "--picture", str(tmp_path / name)]) == 0
    assert (tmp_path / "two.svg").read_bytes() == (tmp_path / "one.svg").read_bytes()
    (tmp_path / "mine.svg").write_text("mine")
    capsys.readouterr()
    assert main(["inspect", str(saved), "--picture", str(tmp_path / "mine.svg")]) == 2
    said = capsys.readouterr()
    assert said.out == ""  # before any work
    assert "'mine.svg' where results would be written" in " ".join(said.err.split())
    assert (tmp_path / "mine.svg").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.keras"], "is no file; give a .keras file"),
        (["MODEL", "--picture", "graph.gif"], ".svg, .png, .pdf"),
        (["MODEL", "--picture", "nowhere/graph.svg"], "there is no folder"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(saved, arguments, message, capsys):
    given = [str(saved) if x == "MODEL" else x for x in arguments]
    assert main(["inspect", *given]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("secateur inspect:")
    assert message in error
