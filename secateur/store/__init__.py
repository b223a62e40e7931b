"""Content-addressed artifacts in a folder or at a URL, and the digests their keys are made of.

    store = open_store()                                   # SECATEUR_STORE, or the user's cache
    with store.pin("a run"):                               # no collection takes what it uses
        key = digest_of({"stage": "train", "seed": 1})
        with store.build(key, stage="train") as build:
            if build.artifact is None:                     # nobody built it yet: write, commit
                (build.directory / "weights.npy").write_bytes(b"...")
                build.commit(digest=digest_of("its content"))
        print(build.artifact.directory)

A folder is enough for one machine; a URL such as `s3://bucket/prefix` (extra `s3`) serves several.
What is read was compared with its SHA-256; what is written is there whole or not at all.
"""

from secateur.store.artifact import Artifact, Reference
from secateur.store.base import Build, Store
from secateur.store.canonical import canonical_json, digest_of
from secateur.store.errors import StoreError
from secateur.store.housekeeping import CollectReport, Entry, VerifyReport
from secateur.store.manifest import STORE_FORMAT
from secateur.store.settings import open_store
from secateur.store.source import SourceDigest, first_party_file, package_digest, source_digest

__all__ = [
    "STORE_FORMAT",
    "Artifact",
    "Build",
    "CollectReport",
    "Entry",
    "Reference",
    "SourceDigest",
    "Store",
    "StoreError",
    "VerifyReport",
    "canonical_json",
    "digest_of",
    "first_party_file",
    "open_store",
    "package_digest",
    "source_digest",
]
