"""What a search may remove, as a target of each of its patterns."""

import pytest

from secateur.searching.target_config import SearchTarget


def test_weights_may_be_compared_within_each_output():
    target = SearchTarget(pattern=("channel", "weight"), allocation="output")
    assert [one.allocation for one in target.targets()] == ["auto", "output"]
    with pytest.raises(ValueError, match="allocation output compares single weights"):
        SearchTarget(pattern=("1x4",), allocation="output")
