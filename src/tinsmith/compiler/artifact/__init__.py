"""The library and its metadata become a deterministic tarball."""

from tinsmith.compiler.artifact.evidence import Evidence
from tinsmith.compiler.artifact.inspect import Inspection, inspect
from tinsmith.compiler.artifact.package import Package, package

__all__ = ["Evidence", "Inspection", "Package", "inspect", "package"]
