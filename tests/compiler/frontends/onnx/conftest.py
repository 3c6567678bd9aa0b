"""The small models that also the stage behind the frontends is tested with."""

from tests.compiler.shaping.conftest import make, problems, read_model, same_answers

__all__ = ["make", "problems", "read_model", "same_answers"]
