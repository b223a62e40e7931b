"""Criteria of other packages: a distribution on the path, and its code in the cache's keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from secateur.importance import score, score_units
from secateur.importance.config import ImportanceConfig
from secateur.importance.names import BUILT_IN, criterion_entry, criterion_names
from secateur.importance.sources import criterion_fingerprint
from secateur.store import source_digest

ROOT = Path(__file__).parents[3]
CODE = '''
import numpy as np
from secateur.importance.names import needs
from their_package.helper import OFFSET

@needs("unit", data=True)
def last_units(run):
    """Units to the right are worth more."""
    return {w.path: OFFSET + np.arange(w.variable.shape[-1]) for w in run.weights}

def squares(run):
    return {w.path: run.value(w) ** 2 for w in run.weights}

def negative(run):
    return {w.path: -1 - run.value(w) ** 2 for w in run.weights}
'''
ENTRIES = """[secateur.criteria]
last_units = their_package.criteria:last_units
squares = their_package.criteria:squares
negative = their_package.criteria:negative
missing = their_package.criteria:nowhere
"""


def _install(folder: Path, name: str, entries: str) -> None:
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entries)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution with criteria; its package's folder."""
    site = tmp_path / "site-packages"
    _install(site, "their_package", ENTRIES)
    folder = site / "their_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helper.py").write_text("OFFSET = 1\n")
    (folder / "criteria.py").write_text(CODE)
    monkeypatch.syspath_prepend(site)
    yield folder
    for name in [name for name in sys.modules if name.startswith("their_package")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(3, name="b")(keras.layers.Dense(5, name="a")(x)))


DATA: Any = (np.zeros((2, 4), "float32"), None)


def test_it_is_a_criterion_like_any_other(package: Path, model: keras.Model) -> None:
    assert {"last_units", "squares"} < set(criterion_names())
    assert ImportanceConfig(criterion="squares").criterion == "squares"
    assert "their_package" not in sys.modules
    scores = score(model, criterion="squares")
    np.testing.assert_allclose(scores["a/kernel"], model.get_layer("a").kernel.numpy() ** 2)
    units = score_units(model, DATA, "last_units")
    assert {path: values.tolist() for path, values in units.items()} == {
        "a/kernel": [1, 2, 3, 4, 5],
        "b/kernel": [1, 2, 3],
    }
    assert score(model, DATA, "last_units")["a/kernel"][2].tolist() == [1, 2, 3, 4, 5]


def test_what_it_says_it_needs_is_asked_for(package: Path, model: keras.Model) -> None:
    with pytest.raises(ValueError, match="'last_units' looks at examples"):
        score(model, None, "last_units")


def test_its_mistakes_are_its_own(package: Path, model: keras.Model) -> None:
    with pytest.raises(ValueError, match="'negative' gave scores of 'a/kernel' that are negative"):
        score(model, criterion="negative")
    with pytest.raises(ValueError, match=r"'missing' cannot be imported from .*criteria:nowhere"):
        score(model, criterion="missing")


def test_its_code_counts_in_the_key(package: Path) -> None:
    before = criterion_fingerprint("squares")
    assert before is not None
    assert len(before) == 64
    (package / "criteria.py").write_text("# a comment changes nothing\n" + CODE)
    assert criterion_fingerprint("squares") == before
    (package / "helper.py").write_text("OFFSET = 22\n")
    assert criterion_fingerprint("squares") != before
    assert "their_package" not in sys.modules


def test_two_packages_of_one_name_are_refused(package: Path) -> None:
    _install(package.parent, "other", "[secateur.criteria]\nsquares = other:squares\n")
    with pytest.raises(ValueError, match=r"Two packages bring a criterion 'squares', other:squ"):
        criterion_entry("squares")


def test_our_own_cannot_be_replaced(package: Path, model: keras.Model) -> None:
    _install(package.parent, "bold", "[secateur.criteria]\nmagnitude = bold:magnitude\n")
    assert criterion_entry("magnitude") is None
    scores = score(model, criterion="magnitude")
    np.testing.assert_array_equal(scores["a/kernel"], np.abs(model.get_layer("a").kernel.numpy()))


def test_a_package_that_is_gone_is_no_criterion() -> None:
    with pytest.raises(ValueError, match="'squares' is not a criterion"):
        criterion_fingerprint("squares")


def test_our_own_count_in_the_source_of_the_stage() -> None:
    assert criterion_fingerprint("gradient") is None
    files = set(source_digest(ROOT / "tasks" / "importance.py", ROOT).files)
    for criterion in BUILT_IN.values():
        if criterion.kind != "method":
            module = criterion.target.partition(":")[0]
            assert ROOT / f"{module.replace('.', '/')}.py" in files
    assert ROOT / "secateur/importance/gradients/engine.py" in files
