"""`secateur data`: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest

from secateur.flows.cli import main
from secateur.layout import ROOT


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "data.csv"
    rows = [f"{k},5;{k % 2};{('no', 'yes')[k % 2]}" for k in range(60)]
    file.write_text("size;kind;label\n" + "\n".join(rows) + "\n")
    return file


def test_it_prints_what_was_understood_and_writes_a_page(path, tmp_path, capsys):
    page = tmp_path / "card.html"
    assert main(["data", str(path), "--html", str(page)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "data.csv: classification of rows of 2 numbers; 44 train, 4 validation, 12 test."
    )
    assert "has a semicolon between its values (dataset.delimiter)" in text
    assert "The column 'kind' alone tells the class" in text
    assert "<title>Data: data.csv</title>" in page.read_text()


def test_the_readme_quotes_what_it_prints(capsys):
    assert main(["data", "breast_cancer"]) == 0
    readme = " ".join((ROOT / "README.md").read_text().split())
    first = capsys.readouterr().out.splitlines()[0]
    assert f'`secateur data breast_cancer` begins with "{first}"' in readme


def test_json_is_the_card_alone(path, capsys):
    assert main(["data", str(path), "--json", "--dataset.decimal", ","]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["source"]["delimiter"] == ";"
    assert [column["name"] for column in card["source"]["columns"]] == ["size", "kind", "label"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.csv"], "where nothing is"),
        (["no_such_set"], "neither bundled"),
        (["--dataset.path", "{path}", "{path}"], "says another data set; give one of them"),
        (["{path}", "--dataset.delimiter", "xy"], "one ASCII character"),
        (["{path}", "--dataset.encoding", "hex"], "which Python does not know"),
        (["{path}", "--dataset.target", '["size"]', "--dataset.decimal", "."], "no numbers with"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_exit_code_2(arguments, sentence, path, capsys):
    code = main(["data", *(each.format(path=path) for each in arguments)])
    captured = capsys.readouterr()
    assert code == 2
    assert sentence in " ".join(captured.err.split())
    assert captured.out == ""
