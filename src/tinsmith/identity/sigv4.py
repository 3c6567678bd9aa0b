"""AWS Signature Version 4: is this request what the owner of its access key signed?

    Authorization: AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request,
                   SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=<64 hexadecimal digits>

The canonical request is built of the headers that SignedHeaders names, as they came over the wire. Whoever
verifies must not trust a header that is not signed, so the ones that decide anything have to be. Signatures
in the query string (presigned requests) are not accepted: no client of a JSON service sends them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from tinsmith.identity.refusals import incomplete, mismatch, missing

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
MAX_SKEW = 300
"""Seconds between the signer's clock and ours."""

_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_MUST_BE_SIGNED = frozenset({"host", "content-type"})
"""If present; so must every x-amz- header."""
_SCOPE_DATE = re.compile(r"\d{8}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SPACES = re.compile(rb"[ \t]+")
_LONGEST_KEPT = 1024
"""Characters of an Authorization header whose parts are remembered."""
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What the signature covers. Header names are lower case and may repeat."""

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    method: str = "POST"
    path: str = "/"
    query: bytes = b""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom and what a signature is for, as its Credential says."""

    access_key: str
    date: str
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of an Authorization header."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)


Lookup = Callable[[str, str | None], str]
"""The secret key of an access key and the session token sent with it; raises a Refusal where there is
none."""


def verify(request: SignedRequest, service: str, now: float, secret_of: Lookup) -> Scope:
    """Whose request this is. Raises a Refusal unless the signature holds at `now`, epoch seconds."""
    headers = _joined(request.headers)
    authorization = parse(headers.get("authorization"))
    scope = authorization.scope
    _check_signed_headers(authorization.signed_headers, headers)
    _check_scope(scope, service)
    time = _check_time(headers, scope, now)
    digest = _check_body(headers, request.body)
    secret = secret_of(scope.access_key, _text(headers.get("x-amz-security-token")))
    canonical = canonical_request(request, headers, authorization.signed_headers, digest)
    if not hmac.compare_digest(signature(secret, scope, time, canonical), authorization.signature):
        raise mismatch()
    return scope


def parse(header: bytes | None) -> Authorization:
    """The parts of an Authorization header. Raises a Refusal that names what is missing."""
    text = _text(header)
    if not text:
        raise missing()
    front, named, found = text.rpartition("Signature=")
    if named and len(front) <= _LONGEST_KEPT and _SIGNATURE.fullmatch(found):
        # Last, as clients write it: all else is the same in every request of a client on a day.
        return replace(_parse_but_signature(front), signature=found)
    return _parse(text)


@lru_cache(maxsize=1024)
def _parse_but_signature(front: str) -> Authorization:
    return _parse(f"{front}Signature={'0' * 64}")


def _parse(text: str) -> Authorization:
    algorithm, _, rest = text.partition(" ")
    if algorithm != ALGORITHM:
        raise incomplete(f"Unsupported AWS 'algorithm': '{algorithm[:64]}', only {ALGORITHM} is known here.")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name in parts or name not in _PARAMETERS:
            raise incomplete(f"'{name[:64]}' is not a valid or not a single key=value pair in Authorization.")
        parts[name] = value
    absent = [name for name in _PARAMETERS if not parts.get(name)]
    if absent:
        raise incomplete(" ".join(f"Authorization header requires '{name}' parameter." for name in absent))
    names = tuple(parts["SignedHeaders"].split(";"))
    if len(set(names)) != len(names) or any(name != name.lower() or not name for name in names):
        raise incomplete("SignedHeaders must be distinct names in lower case, separated by semicolons.")
    if not _SIGNATURE.fullmatch(parts["Signature"]):
        raise mismatch()
    return Authorization(_scope(parts["Credential"]), names, parts["Signature"])


def _scope(credential: str) -> Scope:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not all(parts):
        raise incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got {len(parts)} of them."
        )
    access_key, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise mismatch(f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not this one.")
    return Scope(access_key, date, region, service)


def _check_scope(scope: Scope, service: str) -> None:
    if scope.service != service:
        raise mismatch(f"Credential should be scoped to correct service: '{service}'.")
    if not _REGION.fullmatch(scope.region):
        raise mismatch("Credential should be scoped to a valid region.")
    if not _SCOPE_DATE.fullmatch(scope.date):
        raise mismatch("Credential should be scoped to a date: YYYYMMDD.")


def _check_signed_headers(signed: Sequence[str], headers: Mapping[str, bytes]) -> None:
    if "host" not in signed:
        raise mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    absent = [name for name in signed if name not in headers]
    if absent:
        raise mismatch(f"Headers that were signed are not in the request: {', '.join(absent)[:256]}.")
    loose = [
        name
        for name in headers
        if name not in signed and (name in _MUST_BE_SIGNED or name.startswith("x-amz-"))
    ]
    if loose:
        raise mismatch(
            f"There were headers present in the request which were not signed: {', '.join(loose)[:256]}"
        )


def _check_time(headers: Mapping[str, bytes], scope: Scope, now: float) -> str:
    """The time of the signature as the string to sign has it."""
    text, sent = _signing_time(headers)
    if text[:8] != scope.date:
        raise mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope.date}' != '{text[:8]}', from '{text}'."
        )
    ahead = sent - now
    if abs(ahead) > MAX_SKEW:
        ours, bound = _clock(now), _clock(now + (MAX_SKEW if ahead > 0 else -MAX_SKEW))
        minutes = MAX_SKEW // 60
        raise mismatch(
            f"Signature not yet current: {text} is still later than {bound} ({ours} + {minutes} min.)"
            if ahead > 0
            else f"Signature expired: {text} is now earlier than {bound} ({ours} - {minutes} min.)"
        )
    return text


def _signing_time(headers: Mapping[str, bytes]) -> tuple[str, float]:
    """As the string to sign has it, and in epoch seconds."""
    amazon, plain = _text(headers.get("x-amz-date")), _text(headers.get("date"))
    try:
        if amazon:
            return amazon, _epoch(amazon)
        if plain:
            sent = parsedate_to_datetime(plain).astimezone(UTC)
            return sent.strftime(_TIME), sent.timestamp()
    except (ValueError, TypeError, OverflowError):
        form = "YYYYMMDD'T'HHMMSS'Z'"
        raise incomplete(
            f"Date must be in ISO-8601 'basic format', {form}. See http://en.wikipedia.org/wiki/ISO_8601"
        ) from None
    raise incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")


@lru_cache(maxsize=256)
def _epoch(text: str) -> float:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()


def _check_body(headers: Mapping[str, bytes], body: bytes) -> str:
    """SHA-256 of the body in hexadecimal, which a header that states it must agree with."""
    digest = hashlib.sha256(body).hexdigest()
    stated = headers.get("x-amz-content-sha256")
    if stated is not None and not hmac.compare_digest(stated, digest.encode()):
        raise mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
    return digest


def canonical_request(
    request: SignedRequest, headers: Mapping[str, bytes], signed: Sequence[str], digest: str
) -> bytes:
    """The text that the signature is of; `headers` are joined, `digest` is that of the body."""
    lines = [
        request.method.encode(),
        _canonical_path(request.path),
        _canonical_query(request.query),
        *(name.encode() + b":" + _canonical_value(headers[name]) for name in signed),
        b"",
        ";".join(signed).encode(),
        digest.encode(),
    ]
    return b"\n".join(lines)


def signature(secret: str, scope: Scope, time: str, canonical: bytes) -> str:
    """The signature of a canonical request at `time` ("YYYYMMDDTHHMMSSZ")."""
    place = f"{scope.date}/{scope.region}/{scope.service}/{TERMINATOR}"
    to_sign = f"{ALGORITHM}\n{time}\n{place}\n{hashlib.sha256(canonical).hexdigest()}"
    signing = _keyed(secret, scope.date, scope.region, scope.service).copy()
    signing.update(to_sign.encode())
    return signing.hexdigest()


@lru_cache(maxsize=4096)
def _keyed(secret: str, date: str, region: str, service: str) -> hmac.HMAC:
    """With the signing key of a day, to be copied."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")


@lru_cache(maxsize=64)
def _canonical_path(path: str) -> bytes:
    return quote(path, safe="/-_.~").encode()


def _canonical_value(value: bytes) -> bytes:
    stripped = value.strip()
    return _SPACES.sub(b" ", stripped) if b"  " in stripped or b"\t" in stripped else stripped


def _canonical_query(query: bytes) -> bytes:
    if not query:
        return b""
    pairs = [pair.partition(b"=")[::2] for pair in query.split(b"&") if pair]
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded).encode()


def _encoded(part: bytes) -> str:
    return quote(unquote_to_bytes(part), safe="-_.~")


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """Values of repeated headers in one, as the canonical request has them."""
    joined: dict[str, bytes] = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        joined[name] = value if name not in joined else joined[name] + b"," + value
    return joined


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise incomplete("A header of the signature has characters outside ASCII.") from None


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime(_TIME)
