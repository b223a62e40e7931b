"""The target's fields and the sentences that refuse what does not go together."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from secateur.sparsity.config import TargetConfig


def refusal(**fields):
    with pytest.raises(ValidationError) as caught:
        TargetConfig(**fields)
    errors = caught.value.errors()
    assert len(errors) == 1
    return errors[0]["msg"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "does not say how much"),
        ({"ratio": 0.5, "threshold": 1.0}, "in 2 ways: ratio 0.5 and threshold 1.0"),
        ({"ratio": 0.5, "pattern": "2:4"}, "pattern 2:4, which fixes the ratio"),
        ({"ratio": 0.5, "allocation": {"a": 0.5}}, "gives layers their ratios"),
        ({"ratio": 1.0}, "less than 1"),
        ({"ratio": -0.1}, "greater than or equal to 0"),
        ({"ratio": float("nan")}, "finite"),
        ({"quantile": 1.0}, "less than 1"),
        ({"threshold": -1.0}, "greater than or equal to 0"),
        ({"threshold": float("inf")}, "finite"),
        ({"ratio": 0.5, "ratios": 1}, "Extra inputs"),
        (
            {"ratio": 0.5, "allocation": "even"},
            "use auto, global, uniform, output, erk, lamp",
        ),
        ({"allocation": {}}, "not empty"),
        ({"allocation": {"a": 1.0}}, "gives 'a' the ratio 1.0"),
        ({"allocation": {"a": "x"}}, "gives 'a' the ratio 'x'"),
        ({"ratio": 0.5, "pattern": "4:2"}, "N must be smaller than M"),
        ({"ratio": 0.5, "pattern": "0x4"}, "use weight, channel, head, layer, N:M"),
        ({"threshold": 0.5, "pattern": "head"}, "pattern head needs a ratio"),
        ({"ratio": 0.5, "pattern": "layer", "allocation": "uniform"}, "no part in pattern layer"),
        ({"ratio": 0.5, "pattern": "layer", "schedule": "gradual"}, "cannot grow back"),
        ({"ratio": 0.5, "pattern": "layer", "floor": 2}, "no part in pattern layer"),
        (
            {"ratio": 0.5, "pattern": "head", "measure": "latency", "schedule": "gradual"},
            "too long for the updates",
        ),
        ({"ratio": 0.5, "measure": "latency"}, "measure latency goes with"),
        ({"ratio": 0.5, "measure": "flops"}, "measure flops goes with"),
        ({"ratio": 0.5, "round_to": 8}, "round_to 8 goes with"),
        ({"ratio": 0.5, "rank_layers": "similarity"}, "goes with pattern layer"),
        ({"threshold": 0.5, "allocation": "lamp"}, "allocation lamp has no part"),
        ({"quantile": 0.5, "allocation": "erk"}, "not with erk"),
        ({"pattern": "2:4", "allocation": "erk"}, "removes the same share everywhere"),
        ({"pattern": "2:4", "floor": 2}, "a floor of 2 cannot be held"),
        ({"threshold": 0.5, "schedule": "iterative"}, "grows a ratio"),
        ({"pattern": "2:4", "schedule": "gradual"}, "grows a ratio"),
        ({"ratio": 0.5, "schedule": "gradual", "begin": 0.8}, "begin must be smaller"),
        ({"ratio": 0.5, "floor": 0}, "greater than or equal to 1"),
        ({"ratio": 0.5, "rounds": 0}, "greater than or equal to 1"),
    ],
)
def test_bad_targets_are_refused_in_one_sentence(fields, said):
    assert said in refusal(**fields)


def test_what_belongs_together_is_taken():
    for fields in (
        {"ratio": 0.0},
        {"threshold": 0.0},
        {"quantile": 0.5, "allocation": "uniform"},
        {"pattern": "1:4", "allocation": "uniform"},
        {"allocation": {"dense*": 0.5}, "schedule": "iterative"},
        {"ratio": 0.9, "pattern": "16x1", "pooling": "max", "schedule": "gradual"},
        {"ratio": 0.5, "pattern": "channel", "measure": "latency", "round_to": 8},
        {"ratio": 0.5, "pattern": "layer", "measure": "latency", "schedule": "iterative"},
        {"ratio": 0.5, "pattern": "head", "schedule": "gradual"},
    ):
        TargetConfig(**fields)


def test_every_field_is_described_and_has_a_default():
    for name, field in TargetConfig.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_parsed_sizes():
    assert TargetConfig(pattern="2:4").n_of_m == (2, 4)
    assert TargetConfig(pattern="2:4").block is None
    assert TargetConfig(ratio=0.5, pattern="1x16").block == (1, 16)
    assert TargetConfig(ratio=0.5).n_of_m is None


def test_the_parameters_are_read_without_tensorflow():
    code = (
        "import sys, secateur.sparsity.config, secateur.sparsity.schedule\n"
        "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])\n"
        "import secateur.sparsity.select\n"
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]


def test_functions_of_the_room_whatever_was_imported_before():
    import secateur.sparsity
    import secateur.sparsity.hold
    import secateur.sparsity.select

    assert callable(secateur.sparsity.select)
    assert callable(secateur.sparsity.hold)
    assert secateur.sparsity.Masks.__name__ == "Masks"
    with pytest.raises(AttributeError, match="nothing"):
        secateur.sparsity.nothing  # noqa: B018
