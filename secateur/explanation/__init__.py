"""What pruning changed: weights, scores and masks of a run, and answers on test examples."""
