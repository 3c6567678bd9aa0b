"""Free functions from Model to Model, in one list."""
