"""Models of PyTorch, made where it is."""
