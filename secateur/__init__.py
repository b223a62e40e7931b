"""Secateur prunes trained Keras 3 models. Plain Keras and NumPy; works in a notebook by itself."""
