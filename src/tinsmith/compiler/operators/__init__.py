"""ONNX operators as loop nests: one function per operator, with its shape rule."""
