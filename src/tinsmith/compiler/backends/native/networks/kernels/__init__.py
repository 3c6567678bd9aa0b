"""Kernels that contract tensors: packed weights, work items, calls of the C headers."""
