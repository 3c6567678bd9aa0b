"""Measures which schedules are the fastest for the layers of a network on this machine."""
