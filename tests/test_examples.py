"""Every configuration in `examples/` runs, smaller and shorter; those of own data on made ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from secateur.flows.parameters import PruneParameters

FILES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.yaml"))


def _photos(folder):
    random = np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            pixels = random.integers(0, 100 + 100 * label, (40, 30, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return str(folder)


def _table(file):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5))
    lines = ["a,b,c,d,e,label"]
    lines += [",".join(map(str, [*row.tolist(), int(row.sum() > 0)])) for row in x]
    file.write_text("\n".join(lines))
    return str(file)


def test_the_readme_names_every_example():
    text = (FILES[0].parents[1] / "README.md").read_text()
    assert [file.name for file in FILES if f"examples/{file.name}" not in text] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_says_its_own_command(file):
    assert f"secateur prune --config examples/{file.name}" in file.read_text()
    PruneParameters.model_validate(yaml.safe_load(file.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_runs(file, tmp_path, prefect_server):
    from secateur.flows.prune import prune

    given = yaml.safe_load(file.read_text())
    if "path" in given["dataset"]:
        make = _table if given["dataset"]["path"].endswith(".csv") else _photos
        given["dataset"]["path"] = make(tmp_path / given["dataset"]["path"])
    for field, small in (("image_size", [32, 32]), ("text_length", 16)):
        if field in given["dataset"]:
            given["dataset"][field] = small
    large = {"batch_size": 512, "epochs": 1}
    groups = {
        "train": {**given.get("train", {}), **large},
        "fine_tune": {**given.get("fine_tune", {}), **large},
        "importance": {"criterion": "magnitude", **given.get("importance", {}), "examples": 32},
    }
    report = prune(**{**given, **groups, "output": tmp_path / "out"})
    assert (tmp_path / "out" / "model.keras").is_file()
    texts = given["dataset"].get("name") == "languages"
    assert (tmp_path / "out" / "vectorizer.keras").is_file() == texts
    target = given["target"]
    if "ratio" in target and "pattern" not in target:
        assert report.sparsity > 0.05
    elif target.get("pattern") in ("channel", "head"):
        assert report.fine_tuned.parameters < report.dense.parameters
    else:
        assert report.sparsity > 0.3
