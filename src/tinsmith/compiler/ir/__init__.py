"""The model between stages."""
