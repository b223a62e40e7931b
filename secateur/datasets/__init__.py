"""Data: TFDS loading, the bundled builders, splits, preprocessing and fingerprints."""
