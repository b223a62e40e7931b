"""Which model: exactly one of a name, a file and a factory."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from pydantic import ValidationError

from secateur.models.config import Architecture, ModelConfig


def test_the_default_is_a_built_in_architecture():
    assert ModelConfig().name == "simple_net"


@pytest.mark.parametrize("given", [{"path": "a.keras"}, {"factory": "nets.small:build"}])
def test_the_default_gives_way_to_a_file_or_a_factory(given):
    config = ModelConfig(**given)
    assert config.name is None
    assert config.model_dump(exclude_none=True) == given


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"name": None}, "not none of them"),
        ({"name": "lenet_5", "path": "a.keras"}, "not model.name and model.path"),
        ({"path": "a.keras", "factory": "a:b"}, "not model.path and model.factory"),
    ],
)
def test_none_and_two_of_them_are_refused(given, named):
    with pytest.raises(ValidationError, match=f"exactly one of model.name.*, {named}"):
        ModelConfig(**given)


@pytest.mark.parametrize("factory", ["nets", "nets:", ":build", "nets:a.b", "1nets:a", "a b:c", ""])
def test_a_factory_has_a_module_and_a_function(factory):
    with pytest.raises(ValidationError):
        ModelConfig(factory=factory)


@pytest.mark.parametrize("given", [{"name": "vgg"}, {"nome": "lenet_5"}])
def test_what_is_unknown_is_refused(given):
    with pytest.raises(ValidationError):
        ModelConfig(**given)


def test_a_config_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        ModelConfig().name = "lenet_5"


def test_every_architecture_can_be_chosen():
    from secateur.models.architectures import BUILDERS, TABLE_BUILDERS, TEXT_BUILDERS

    assert set(get_args(Architecture)) == {*BUILDERS, *TABLE_BUILDERS, *TEXT_BUILDERS}


def test_configs_and_sources_import_no_tensorflow():
    code = (
        "import sys, secateur.models.config, secateur.models.sources\n"
        "assert not {'tensorflow', 'keras', 'prefect'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
