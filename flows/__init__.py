"""What runs: one Prefect flow a file, and the command line. Imports no TensorFlow."""

from secateur.layout import check_installation

check_installation(__file__)
