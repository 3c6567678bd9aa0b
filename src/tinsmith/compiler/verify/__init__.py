"""Runs the packaged artifact and compares it with the reference."""

from tinsmith.compiler.verify.verify import Verification, make_evidence, verify

__all__ = ["Verification", "make_evidence", "verify"]
