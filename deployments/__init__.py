"""Deployments of the flows: `prefect.yaml`, and `serve.py` for a laptop."""
