"""Runs the packaged artifact and compares it with the reference."""
