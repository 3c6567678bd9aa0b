"""Failures as the wire carries them."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is answered with an error: its code, its text and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code = code
        self.message = message
        self.status = status
        super().__init__(f"{code}: {message}")


def invalid(message: str) -> ApiError:
    """A ValidationException."""
    return ApiError("ValidationException", message)
