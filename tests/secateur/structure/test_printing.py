"""What people see of a graph: tables whose numbers are those of the groups, and a picture."""

import re
import xml.etree.ElementTree as ET

import keras
import pytest

from secateur import structure
from secateur.evaluation.flops import total_flops
from tests.secateur.structure.test_layers import nested

L = keras.layers


@pytest.fixture(scope="module")
def model():
    return nested()


@pytest.fixture(scope="module")
def graph(model):
    return structure.analyse(model)


def rows(text):
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_groups_with_what_they_cost(graph):
    table = rows(structure.describe(graph))
    for number, (row, group) in enumerate(zip(table[1:], graph.groups, strict=False), start=1):
        assert row == [
            str(number),
            group.name,
            group.kind,
            str(group.channels),
            str(group.parameters),
            str(group.flops),
        ]
    assert len(graph.groups) == 3
    assert ["Channels that stay:"] in table
    assert ["tail/out: is an output of the model"] in table


def test_axes_of_each_group_stand_below_it(graph):
    lines = structure.describe(graph, axes=True).splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.strip().startswith("2  inner/inner_up")]
    axes = ["inner/inner_up/kernel[1]", "inner/inner_up/bias[0]", "inner/twice/kernel[0]"]
    assert lines[at + 1].split() == axes


def test_layers_of_nested_models_are_indented(model):
    lines = structure.describe_layers(model).splitlines()
    table = rows("\n".join(lines))
    assert ["inner_up", "Dense", "4", "36", "128"] in table  # called twice: 2 × 64 FLOPs
    (line,) = [x for x in lines if "inner_up" in x]
    assert line.startswith("  inner_up")
    assert table[-1] == ["total", str(model.count_params()), str(total_flops(model))]


def test_parts(model):
    table = rows(structure.describe_parts(model))
    assert ["inner/add", "block", "76", "inner/inner_up, inner/twice"] in table


def test_flops_that_cannot_be_counted_are_a_question_mark():
    inputs = keras.Input((None, 4))
    x = L.Dense(3, name="a")(inputs)
    text = structure.describe_layers(keras.Model(inputs, x))
    assert rows(text)[1] == ["a", "Dense", "? × 3", "15", "?"]


def test_nothing_to_cut_is_said():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.Dense(3, name="only")(inputs))
    assert structure.describe(structure.analyse(model)).startswith("No channel can be removed.")
    assert structure.describe_parts(model) == "No block or layer can be removed whole."


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_picture_has_every_operation_once_a_call(graph, tmp_path, ending):
    path = tmp_path / f"graph.{ending}"
    drawn = structure.draw(graph, path).graph
    names = [name for _, name in drawn.nodes(data="name")]
    assert names.count("inner/inner_up") == 2
    assert names.count("head") == 1
    # The shortcut of the nested block joins the operation before it and the addition.
    before = {
        drawn.nodes[a]["name"] for a, b in drawn.edges if drawn.nodes[b]["name"] == "inner/add"
    }
    assert before == {"head", "inner/inner_relu", "inner/twice"}
    groups = dict(zip(names, (g for _, g in drawn.nodes(data="group")), strict=True))
    assert groups["head"] == groups["inner/twice"] == 1
    assert groups["inner/inner_up"] == 2
    assert groups["tail/out"] is None
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(starts[ending])


def test_pictures_of_equal_graphs_are_equal_files(graph, tmp_path):
    for name in ("a.svg", "b.svg"):
        structure.draw(graph, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")


def test_another_ending_is_refused(graph, tmp_path):
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf"):
        structure.draw(graph, tmp_path / "graph.gif")
