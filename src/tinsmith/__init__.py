"""Tinsmith: model compilation jobs on your own machines."""

__version__ = "0.1.0"
