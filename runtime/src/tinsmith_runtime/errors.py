"""What can go wrong on the device."""

from __future__ import annotations


class RuntimeFault(Exception):
    """Base of everything that this package raises on purpose."""


class ArtifactError(RuntimeFault):
    """The artifact is damaged, incomplete, too new, or not for this machine."""


class InputError(RuntimeFault, ValueError):
    """An input has the wrong name, dtype or shape; the text names all three problems at once."""


class PredictionError(RuntimeFault):
    """The compiled library could not predict, as when memory runs out."""
