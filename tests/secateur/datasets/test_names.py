import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import (
    BUNDLED,
    EXTRAS,
    base_name,
    check_dataset,
    outside_fingerprint,
    tfds_names,
)


def test_every_builder_of_tfds_is_known():
    import tensorflow_datasets as tfds

    known = {*tfds.list_builders(with_community_datasets=False)}
    ours = {
        name
        for name in known
        if tfds.builder_cls(name).__module__.startswith("tensorflow_datasets")
    }
    assert ours <= tfds_names()


def test_the_bundled_names_are_those_of_the_builders():
    from secateur.datasets.builders import BUILDERS

    assert {builder.name for builder in BUILDERS} == set(BUNDLED)


def test_a_name_is_checked_without_tensorflow():
    code = (
        "import sys; from secateur.datasets.names import *; "
        "check_dataset(DatasetConfig(name='cifar10')); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"'mnst'.*Did you mean 'mnist'"):
        check_dataset(DatasetConfig(name="mnst"))


def test_a_data_dir_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="which is no folder"):
        check_dataset(DatasetConfig(data_dir=str(tmp_path / "none")))


def test_any_name_that_is_prepared_in_the_data_dir_is_accepted(tmp_path):
    (tmp_path / "my_own").mkdir()
    check_dataset(DatasetConfig(name="my_own:1.0.0", data_dir=str(tmp_path)))


@pytest.mark.parametrize("name", ["mnist", "mnist:3.0.1", "mnist/config", "mnist/config:3.*.*"])
def test_the_base_name_has_no_config_and_no_version(name):
    assert base_name(name) == "mnist"


def test_a_file_that_changes_in_the_data_dir_changes_the_fingerprint(tmp_path):
    config = DatasetConfig(name="mine", data_dir=str(tmp_path))
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "shard"
    file.write_text("one")
    before = outside_fingerprint(config)
    assert before == outside_fingerprint(config)
    file.write_text("other")
    assert outside_fingerprint(config) != before


def test_a_path_counts_by_its_content(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("a,label\n1,0\n")
    config = DatasetConfig(path=str(file))
    check_dataset(config)
    before = outside_fingerprint(config)
    os.utime(file, (0, 0))
    assert outside_fingerprint(config) == before
    file.write_text("a,label\n1,1\n")
    assert outside_fingerprint(config) != before


def test_a_file_that_is_added_to_a_folder_counts(tmp_path):
    (tmp_path / "train.npz").write_bytes(b"1")
    config = DatasetConfig(path=str(tmp_path))
    before = outside_fingerprint(config)
    (tmp_path / "test.npz").write_bytes(b"2")
    assert outside_fingerprint(config) != before


def test_a_factory_counts_with_its_package(tmp_path, monkeypatch):
    (tmp_path / "data_that_counts.py").write_text("def build(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = DatasetConfig(factory="data_that_counts:build")
    before = outside_fingerprint(config)
    (tmp_path / "data_that_counts.py").write_text("def build(): return 2\n")
    assert outside_fingerprint(config) != before


def test_a_bundled_set_names_the_extra_that_it_needs(monkeypatch):
    monkeypatch.setitem(EXTRAS, "languages", ("a_package_that_is_nowhere", "text"))
    with pytest.raises(ValueError, match=r"a_package_that_is_nowhere.*'secateur\[text\]'"):
        check_dataset(DatasetConfig(name="languages"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "mnist", "path": "a.csv"}, "not dataset.name and dataset.path"),
        ({"name": None}, "not none of them"),
        ({"path": "a.csv", "factory": "a:b"}, "not dataset.path and dataset.factory"),
        ({"features": ["a"], "target": ["a"]}, "'a' is both in dataset.features and"),
        ({"test_split": ""}, "test_split"),
        ({"task": "language_model", "target": ["a"]}, "the next token; leave it out"),
    ],
)
def test_parameters_that_do_not_go_together(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        DatasetConfig(**given)


def test_the_default_gives_way_to_a_path_or_a_factory():
    assert DatasetConfig(path="pets").name is None
    assert DatasetConfig(path="~/pets").label == "pets"
    assert DatasetConfig(factory="a.b:c").label == "a.b:c"
    assert DatasetConfig().label == "mnist_5k"
