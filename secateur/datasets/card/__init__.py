"""The card of a data set: what was understood, before anything is trained."""
