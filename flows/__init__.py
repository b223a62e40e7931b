"""What runs: one Prefect flow a file, and the command line. Imports no TensorFlow."""
