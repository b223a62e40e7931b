"""The built-in criteria, one a file. Each is a function of a `Run` that returns scores by path."""

# Criteria are looked up by name, so what depends on one of them depends on the whole folder.
REGISTRY = True
