import subprocess
import sys

import pytest

from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import (
    BUNDLED,
    base_name,
    check_dataset,
    prepared_fingerprint,
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
    before = prepared_fingerprint(config)
    assert before == prepared_fingerprint(config)
    file.write_text("other")
    assert prepared_fingerprint(config) != before
