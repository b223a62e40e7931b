"""The built-in architectures, and loading a user's own model."""
