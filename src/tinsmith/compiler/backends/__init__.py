"""The IR becomes a library; one folder per kind of code."""
