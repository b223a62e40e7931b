"""A Keras model as a file of another runtime, checked there: LiteRT, ONNX, SavedModel."""
