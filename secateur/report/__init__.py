"""The report of a run: JSON by a published schema, Markdown, and tables."""
