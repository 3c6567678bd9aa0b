"""What botocore signs is accepted; whatever is changed after that is refused, each with its code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import Credentials

from tests.identity.conftest import BODY, KEY, NOW, SECRET, Signing
from tinsmith.identity.refusals import Refusal, unrecognized
from tinsmith.identity.sigv4 import (
    Scope,
    SignedRequest,
    canonical_request,
    signature,
    verify,
)

pytestmark = pytest.mark.usefixtures("at_now")

MISSING = "MissingAuthenticationTokenException"
INCOMPLETE = "IncompleteSignatureException"
INVALID = "InvalidSignatureException"
UNKNOWN = "UnrecognizedClientException"


def secret_of(access_key: str, _token: str | None) -> str:
    if access_key != KEY:
        raise unrecognized()
    return SECRET


def code_of(request: SignedRequest, now: float = NOW, service: str = "sagemaker") -> str:
    with pytest.raises(Refusal) as refused:
        verify(request, service, now, secret_of)
    assert SECRET not in refused.value.message
    return refused.value.code


@pytest.mark.parametrize(
    ("body", "headers", "token"),
    [
        (BODY, {}, None),
        (b"", {}, None),
        (b"{}" * 10_000, {}, None),
        (BODY, {"amz-sdk-invocation-id": "6b", "amz-sdk-request": "attempt=1; max=3"}, None),
        (BODY, {"X-Amz-Extra": "  several   blanks\tand a tab "}, None),
        (BODY, {}, "a session's token/+="),
        ("é☃".encode(), {"X-Amz-Unicode": "é"}, None),
    ],
)
def test_what_botocore_signs_is_accepted(
    signing: Signing, body: bytes, headers: dict[str, str], token: str | None
) -> None:
    seen: list[str | None] = []

    def lookup(access_key: str, sent: str | None) -> str:
        seen.append(sent)
        return secret_of(access_key, sent)

    signing.headers = headers
    signing.credentials = Credentials(KEY, SECRET, token)
    scope = verify(signing.sign(body), "sagemaker", NOW, lookup)
    assert scope == Scope(KEY, "20261122", "us-west-2", "sagemaker")
    assert seen == [token]


@pytest.mark.parametrize(
    "query",
    ["a=1", "b=2&a=1", "a=%2F%20x&A=", "x", "a=2&a=1", "Action=GetCallerIdentity&Version=2011-06-15"],
)
def test_queries_are_signed_too(signing: Signing, query: str) -> None:
    signing.url = f"http://127.0.0.1:9229/?{query}"
    assert verify(signing.sign(), "sagemaker", NOW, secret_of).access_key == KEY


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_clocks_may_differ_by_five_minutes(signing: Signing, seconds: int) -> None:
    assert verify(signing.sign(), "sagemaker", NOW + seconds, secret_of)


def test_the_published_example_of_the_signing_process() -> None:
    """The ListUsers request that AWS's documentation of version 4 works through."""
    headers = {
        "content-type": b"application/x-www-form-urlencoded; charset=utf-8",
        "host": b"iam.amazonaws.com",
        "x-amz-date": b"20150830T123600Z",
    }
    request = SignedRequest((), b"", "GET", "/", b"Action=ListUsers&Version=2010-05-08")
    canonical = canonical_request(request, headers, list(headers), hashlib.sha256(b"").hexdigest())
    assert hashlib.sha256(canonical).hexdigest() == (
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    scope = Scope("AKIDEXAMPLE", "20150830", "us-east-1", "iam")
    expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert (
        signature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", scope, "20150830T123600Z", canonical)
        == expected
    )


Change = Callable[[SignedRequest], SignedRequest]


def body(content: bytes) -> Change:
    return lambda request: replace(request, body=content)


def query(content: bytes) -> Change:
    return lambda request: replace(request, query=content)


def header(name: str, value: str | None) -> Change:
    """Sets a header, or removes it."""

    def change(request: SignedRequest) -> SignedRequest:
        kept = [(key, old) for key, old in request.headers if key != name.encode()]
        return replace(request, headers=[*kept, (name.encode(), value.encode("latin-1"))] if value else kept)

    return change


def added(name: str, value: str) -> Change:
    """One more line of that name."""
    return lambda request: replace(request, headers=[*request.headers, (name.encode(), value.encode())])


def authorization(old: str, new: str) -> Change:
    """Replaces a part of the Authorization header."""

    def change(request: SignedRequest) -> SignedRequest:
        text = dict(request.headers)[b"authorization"].decode()
        assert old in text
        return header("authorization", text.replace(old, new))(request)

    return change


def credential(place: int, value: str) -> Change:
    """Replaces one of key, date, region, service and terminator."""

    def change(request: SignedRequest) -> SignedRequest:
        text = dict(request.headers)[b"authorization"].decode()
        whole = text.partition("Credential=")[2].partition(",")[0]
        parts = whole.split("/")
        parts[place] = value
        return authorization(whole, "/".join(parts))(request)

    return change


def both(*changes: Change) -> Change:
    def change(request: SignedRequest) -> SignedRequest:
        for each in changes:
            request = each(request)
        return request

    return change


def signature_changed(edit: Callable[[str], str]) -> Change:
    def change(request: SignedRequest) -> SignedRequest:
        text = dict(request.headers)[b"authorization"].decode()
        found = text.partition("Signature=")[2]
        return authorization(found, edit(found))(request)

    return change


SIGNED = "SignedHeaders=content-type;host;x-amz-date;x-amz-target"
OTHER_DIGEST = hashlib.sha256(b"other").hexdigest()

TAMPERING: dict[str, tuple[Change, str]] = {
    "body: a letter": (body(BODY.replace(b"J", b"K")), INVALID),
    "body: a blank more": (body(BODY + b" "), INVALID),
    "body: cut": (body(BODY[:-1]), INVALID),
    "body: none": (body(b""), INVALID),
    "body: twice": (body(BODY * 2), INVALID),
    "body: its case": (body(BODY.lower()), INVALID),
    "body hash: of another body": (header("x-amz-content-sha256", OTHER_DIGEST), INVALID),
    "body hash: unsigned payload": (header("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), INVALID),
    "body hash: streaming": (header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), INVALID),
    "body hash: right, but unsigned": (
        header("x-amz-content-sha256", hashlib.sha256(BODY).hexdigest()),
        INVALID,
    ),
    "query: a parameter": (query(b"a=1"), INVALID),
    "query: a name": (query(b"Action"), INVALID),
    "query: presigned": (both(header("authorization", None), query(b"X-Amz-Signature=00")), MISSING),
    "method": (lambda request: replace(request, method="PUT"), INVALID),
    "path": (lambda request: replace(request, path="/other"), INVALID),
    "path: a double slash": (lambda request: replace(request, path="//"), INVALID),
    "target: another operation": (header("x-amz-target", "SageMaker.DeleteCompilationJob"), INVALID),
    "target: its case": (header("x-amz-target", "sagemaker.CreateCompilationJob"), INVALID),
    "target: removed": (header("x-amz-target", None), INVALID),
    "target: a second one": (added("x-amz-target", "SageMaker.DeleteCompilationJob"), INVALID),
    "target: the same once more": (added("x-amz-target", "SageMaker.CreateCompilationJob"), INVALID),
    "target: not signed": (authorization(";x-amz-target", ""), INVALID),
    "host: another": (header("host", "example.org"), INVALID),
    "host: another port": (header("host", "127.0.0.1:9230"), INVALID),
    "host: removed": (header("host", None), INVALID),
    "host: not signed": (authorization("host;", ""), INVALID),
    "host: twice": (added("host", "127.0.0.1:9229"), INVALID),
    "content type: another": (header("content-type", "application/json"), INVALID),
    "content type: removed": (header("content-type", None), INVALID),
    "content type: not signed": (authorization("content-type;", ""), INVALID),
    "date: a second later": (header("x-amz-date", "20261122T073906Z"), INVALID),
    "date: removed": (header("x-amz-date", None), INVALID),
    "date: not signed": (authorization("x-amz-date;", ""), INVALID),
    "date: another day": (header("x-amz-date", "20261123T073905Z"), INVALID),
    "date: another form": (header("x-amz-date", "2026-11-22T07:39:05Z"), INCOMPLETE),
    "date: no day of the calendar": (header("x-amz-date", "20261131T073905Z"), INCOMPLETE),
    "date: no date": (header("x-amz-date", "yesterday"), INCOMPLETE),
    "date: twice": (added("x-amz-date", "20261122T073905Z"), INCOMPLETE),
    "date: another header instead": (
        both(header("x-amz-date", None), header("date", "Sun, 22 Nov 2026 07:39:05 GMT")),
        INVALID,
    ),
    "an unsigned x-amz- header": (added("x-amz-meta", "x"), INVALID),
    "an unsigned session token": (added("x-amz-security-token", "token"), INVALID),
    "no Authorization": (header("authorization", None), MISSING),
    "an empty Authorization": (header("authorization", " "), INCOMPLETE),
    "two Authorizations": (added("authorization", "AWS4-HMAC-SHA256 Credential=x"), INCOMPLETE),
    "another scheme": (header("authorization", "Bearer abc"), INCOMPLETE),
    "basic authentication": (header("authorization", "Basic QUtJRDpzZWNyZXQ="), INCOMPLETE),
    "signature version 2": (header("authorization", "AWS AKIDEXAMPLE:abc="), INCOMPLETE),
    "signature version 4a": (authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), INCOMPLETE),
    "another hash": (authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), INCOMPLETE),
    "the algorithm's case": (authorization("AWS4-HMAC-SHA256", "aws4-hmac-sha256"), INCOMPLETE),
    "bytes outside ASCII": (header("authorization", "AWS4-HMAC-SHA256 Credential=\xe9"), INCOMPLETE),
    "no Credential": (authorization("Credential=", "Kredential="), INCOMPLETE),
    "no SignedHeaders": (authorization("SignedHeaders=", "Headers="), INCOMPLETE),
    "no Signature": (authorization("Signature=", "Sign="), INCOMPLETE),
    "only the algorithm": (header("authorization", "AWS4-HMAC-SHA256"), INCOMPLETE),
    "a Signature without content": (signature_changed(lambda _: ""), INCOMPLETE),
    "two Credentials": (authorization("Credential=", "Credential=a/b/c/d/e, Credential="), INCOMPLETE),
    "a Credential that is too short": (authorization("/us-west-2", ""), INCOMPLETE),
    "a Credential with an empty part": (credential(2, ""), INCOMPLETE),
    "key: unknown": (credential(0, "AKIDUNKNOWN"), UNKNOWN),
    "key: its case": (credential(0, KEY.lower()), UNKNOWN),
    "key: with a slash": (credential(0, f"x/{KEY}"), UNKNOWN),
    "scope: another date": (credential(1, "20261121"), INVALID),
    "scope: no date": (credential(1, "today"), INVALID),
    "scope: another region": (credential(2, "us-east-1"), INVALID),
    "scope: no region": (credential(2, "US_WEST"), INVALID),
    "scope: a region that is too long": (credential(2, "r" * 33), INVALID),
    "scope: another service": (credential(3, "s3"), INVALID),
    "scope: another terminator": (credential(4, "aws5_request"), INVALID),
    "signature: the first digit": (
        signature_changed(lambda s: ("0" if s[0] != "0" else "1") + s[1:]),
        INVALID,
    ),
    "signature: the last digit": (
        signature_changed(lambda s: s[:-1] + ("0" if s[-1] != "0" else "1")),
        INVALID,
    ),
    "signature: upper case": (signature_changed(str.upper), INVALID),
    "signature: cut": (signature_changed(lambda s: s[:-1]), INVALID),
    "signature: longer": (signature_changed(lambda s: s + "0"), INVALID),
    "signature: zeros": (signature_changed(lambda _: "0" * 64), INVALID),
    "signature: no hexadecimal": (signature_changed(lambda _: "x" * 64), INVALID),
    "signed headers: another order": (
        authorization(SIGNED, "SignedHeaders=host;content-type;x-amz-date;x-amz-target"),
        INVALID,
    ),
    "signed headers: one twice": (authorization("host;", "host;host;"), INCOMPLETE),
    "signed headers: upper case": (authorization("host;", "Host;"), INCOMPLETE),
    "signed headers: an empty one": (authorization("host;", "host;;"), INCOMPLETE),
    "signed headers: one that is absent": (authorization("host;", "host;via;"), INVALID),
    "signed headers: one more": (both(authorization("host;", "host;via;"), header("via", "x")), INVALID),
}


def test_there_are_sixty_ways_to_tamper_at_least() -> None:
    assert len(TAMPERING) >= 60


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_refused(signing: Signing, name: str) -> None:
    change, expected = TAMPERING[name]
    signed = signing.sign()
    assert verify(signed, "sagemaker", NOW, secret_of)
    assert code_of(change(signed)) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (301, "Signature expired: 20261122T073905Z is now earlier than 20261122T073906Z "),
        (86_400, "Signature expired: "),
        (-301, "Signature not yet current: 20261122T073905Z is still later than 20261122T073904Z "),
        (-86_400, "Signature not yet current: "),
    ],
)
def test_old_and_future_signatures_are_refused(signing: Signing, seconds: int, text: str) -> None:
    with pytest.raises(Refusal) as refused:
        verify(signing.sign(), "sagemaker", NOW + seconds, secret_of)
    assert refused.value.code == INVALID
    assert refused.value.message.startswith(text)


def test_a_signature_with_another_secret_is_refused(signing: Signing) -> None:
    signing.credentials = Credentials(KEY, SECRET[:-1])
    assert code_of(signing.sign()) == INVALID


def test_a_signature_for_another_service_is_refused(signing: Signing) -> None:
    signing.service = "s3"
    assert code_of(signing.sign()) == INVALID
    signing.service = "sagemaker"
    assert code_of(signing.sign(), service="sts") == INVALID


def test_a_changed_session_token_is_refused(signing: Signing) -> None:
    signing.credentials = Credentials(KEY, SECRET, "token")
    signed = signing.sign()
    assert verify(signed, "sagemaker", NOW, secret_of)
    for change in (header("x-amz-security-token", "other"), header("x-amz-security-token", None)):
        assert code_of(change(signed)) == INVALID


def test_the_date_header_will_do_where_it_is_signed() -> None:
    moment = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=10)
    date = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"host": b"h", "date": date.encode()}
    digest = hashlib.sha256(b"").hexdigest()
    request = SignedRequest([(name.encode(), value) for name, value in headers.items()], b"")
    scope = Scope(KEY, "20261122", "us-east-1", "sagemaker")
    canonical = canonical_request(request, headers, ["date", "host"], digest)
    signed = signature(SECRET, scope, moment.strftime("%Y%m%dT%H%M%SZ"), canonical)
    text = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20261122/us-east-1/sagemaker/aws4_request,"
        f"SignedHeaders=date;host,Signature={signed}"
    )
    assert verify(added("authorization", text)(request), "sagemaker", NOW, secret_of) == scope
