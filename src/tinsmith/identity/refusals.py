"""Requests that are refused for who sends them.

AWS has two spellings of the same refusals: services that speak JSON append `Exception` to the code and answer
400; those that speak the query protocol (STS) do not, and answer 403. A `Refusal` knows both.
"""

from __future__ import annotations

INVALID_TOKEN = "The security token included in the request is invalid."
EXPIRED_TOKEN = "The security token included in the request is expired"
NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)


class Refusal(Exception):
    """A request that is not let in. `code` is the JSON services' spelling, `query_code` that of STS."""

    def __init__(self, code: str, query_code: str, message: str) -> None:
        self.code = code
        self.query_code = query_code
        self.message = message
        super().__init__(f"{code}: {message}")


def missing() -> Refusal:
    """There is no signature at all."""
    return Refusal(
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    )


def incomplete(message: str) -> Refusal:
    """The Authorization header cannot be read."""
    return Refusal("IncompleteSignatureException", "IncompleteSignature", message)


def mismatch(message: str = NO_MATCH) -> Refusal:
    """The signature is not that of this request."""
    return Refusal("InvalidSignatureException", "SignatureDoesNotMatch", message)


def unrecognized(message: str = INVALID_TOKEN) -> Refusal:
    """Nobody has this access key, or the session token does not belong to it."""
    return Refusal("UnrecognizedClientException", "InvalidClientTokenId", message)


def expired(message: str = EXPIRED_TOKEN) -> Refusal:
    """The session is over."""
    return Refusal("ExpiredTokenException", "ExpiredToken", message)


def denied(message: str) -> Refusal:
    """The caller is known and not allowed to do this."""
    return Refusal("AccessDeniedException", "AccessDenied", message)
