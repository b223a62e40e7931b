"""What a model costs and how well it does: accuracy, parameters, FLOPs, bytes, latency."""
