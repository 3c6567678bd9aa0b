"""Failures as the wire carries them."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is answered with an error: its code, its text and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400, query_code: str = "") -> None:
        """`query_code` is the query protocol's word for a refusal, which it answers with 403."""
        self.code = code
        self.query_code = query_code
        self.message = message
        self.status = status
        super().__init__(f"{code}: {message}")


def invalid(message: str) -> ApiError:
    """A ValidationException."""
    return ApiError("ValidationException", message)
