"""Who is calling: the owner of a verified signature, or, without authentication, whoever the header names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tinsmith.api.errors import ApiError
from tinsmith.identity.access import Principal, request_context
from tinsmith.identity.authentication import Authenticator
from tinsmith.identity.patterns import Context
from tinsmith.identity.refusals import Refusal
from tinsmith.identity.sigv4 import SignedRequest
from tinsmith.identity.store import IdentityStore

_SCOPE = re.compile(
    r"\bCredential=(?P<key>[^/\s,]+)/\d{8}/(?P<region>[a-z0-9-]{1,32})/[^/\s,]+/aws4_request\b", re.ASCII
)


TRACE = "tinsmith.trace"
"""In the scope of a request: the traceparent of its span, where there are traces."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose jobs a request sees: names are unique per account and region."""

    account: str
    region: str
    principal: Principal | None = None
    """None where nobody is authenticated; everything is allowed then."""
    context: Context = field(default_factory=dict)
    """The condition keys that every request has."""
    trace: str = ""
    """See `TRACE`."""


class Headers(dict[str, str]):
    """Of a request, by names in lower case; of a header that came twice the first."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        super().__init__((name.decode("latin-1"), value.decode("latin-1")) for name, value in reversed(raw))
        self.raw = raw
        """As they came, names in lower case."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of a request besides its headers and body."""

    address: str = ""
    secure: bool = False
    """It came over TLS."""
    query: bytes = b""
    trace: str = ""


Identify = Callable[[Mapping[str, str], bytes, Peer], Caller]
"""The caller of a request; raises ApiError when there is none to be let in."""


def authenticating(
    identities: IdentityStore, clock: Callable[[], float], service: str = "sagemaker"
) -> Identify:
    """Callers are those whose signatures for `service` hold."""
    authenticator = Authenticator(identities, clock)

    def identify(headers: Mapping[str, str], body: bytes, peer: Peer) -> Caller:
        try:
            signed = authenticator.authenticate(SignedRequest(_raw(headers), body, query=peer.query), service)
        except Refusal as refusal:
            raise refused(refusal) from None
        principal, region = signed.principal, signed.scope.region
        context = request_context(principal, clock(), peer.address, peer.secure, region)
        return Caller(principal.account, region, principal, context, peer.trace)

    return identify


def trusting(account: str, region: str) -> Identify:
    """Everybody is let in; all belong to `account`, and to `region` where the header names none."""

    def identify(headers: Mapping[str, str], _body: bytes, peer: Peer) -> Caller:
        scope = _SCOPE.search(headers.get("authorization") or "")
        return Caller(account, scope["region"] if scope else region, trace=peer.trace)

    return identify


def refused(refusal: Refusal) -> ApiError:
    """A refusal as a JSON service words it, and as the query protocol does."""
    return ApiError(refusal.code, refusal.message, query_code=refusal.query_code)


def _raw(headers: Mapping[str, str]) -> Sequence[tuple[bytes, bytes]]:
    if isinstance(headers, Headers):
        return headers.raw
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
