"""Training: fitting, fine-tuning with masks held, and going on after a kill."""
