"""Rules that turn operators of TFLite into ONNX nodes, by family."""
