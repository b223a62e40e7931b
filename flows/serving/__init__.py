"""Deployments of the flows: served from one process, or deployed to a work pool."""
