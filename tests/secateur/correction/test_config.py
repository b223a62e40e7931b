"""The group `correct`: what is mended where nothing is said."""

import pytest
from pydantic import ValidationError

from secateur.correction.config import CorrectConfig


@pytest.mark.parametrize(
    ("fields", "epochs", "expected"),
    [
        ({}, 0, ("least_squares", True)),
        ({}, 10, ("none", True)),
        ({"method": "bias"}, 10, ("bias", True)),
        ({"method": "none"}, 0, ("none", True)),
        ({"batch_norm": False}, 10, ("none", False)),
        ({"method": "least_squares", "batch_norm": False}, 0, ("least_squares", False)),
    ],
)
def test_defaults_depend_on_what_follows(fields, epochs, expected):
    found = CorrectConfig(**fields).resolved(epochs)
    assert (found.method, found.batch_norm) == expected
    assert found.acts == (expected[0] != "none")


def test_bad_fields():
    with pytest.raises(ValidationError, match="examples"):
        CorrectConfig(examples=0)
    with pytest.raises(ValidationError, match="method"):
        CorrectConfig(method="lstsq")
