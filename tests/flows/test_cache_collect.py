"""The flow `cache-collect`."""

from __future__ import annotations

import pytest
from prefect.exceptions import ParameterTypeError

from secateur.flows.cache_collect import cache_collect
from secateur.store import digest_of, open_store


def _store(count):
    """A store with `count` results of 1,000 bytes."""
    store = open_store()
    for number in range(count):
        with store.build(digest_of(number), stage="train") as build:
            (build.directory / "model.bin").write_bytes(bytes(1000))
            build.commit(f"d{number}")
    return store


def _shown(key):
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        only = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        found = client.read_artifacts(artifact_filter=only)
    return max(found, key=lambda artifact: artifact.created)


def test_limits_and_what_is_shown(prefect_server):
    store = _store(5)
    cache_collect(max_bytes="3kB", dry_run=True)
    assert len(list(store.list())) == 5
    shown = _shown("collected")
    assert "Would remove 2 results" in shown.data
    assert shown.data.count("| train |") == 2

    cache_collect(max_bytes="3kB")
    assert len(list(store.list())) == 3
    cache_collect(older_than_days=1)
    assert len(list(store.list())) == 3
    cache_collect(older_than_days=0)
    assert list(store.list()) == []
    assert "Removed 3 results and 0 leftovers, 3.0 kB; 0 bytes stay." in _shown("collected").data


@pytest.mark.parametrize(
    "wrong", [{"older_than_days": -1}, {"max_bytes": "much"}, {"max_bytes": -1}]
)
def test_bad_limits_are_refused_before_any_work(wrong):
    with pytest.raises(ParameterTypeError):
        cache_collect.validate_parameters(wrong)
