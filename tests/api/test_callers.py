"""Callers where nobody is authenticated; signatures that are checked: tests/identity/test_sigv4.py."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tinsmith.api.callers import Caller, Peer, trusting


def read_caller(header: str | None) -> Caller:
    identify = trusting("123456789012", "us-east-1")
    return identify({} if header is None else {"authorization": header}, b"", Peer())


def test_reads_what_botocore_signs() -> None:
    request = AWSRequest("POST", "http://127.0.0.1/", data=b"{}")
    SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "token"), "sagemaker", "eu-west-3").add_auth(request)
    assert read_caller(request.headers["Authorization"]) == Caller("123456789012", "eu-west-3")


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=ab, Credential={scope}",
        "AWS4-HMAC-SHA256 Credential={scope},SignedHeaders=host,Signature=ab",
        "AWS4-ECDSA-P256-SHA256 Credential={scope}, Signature=ab",
    ],
)
def test_order_and_spaces_do_not_matter(header: str) -> None:
    signed = header.format(scope="KEY/20261122/eu-west-3/sagemaker/aws4_request")
    assert read_caller(signed) == Caller("123456789012", "eu-west-3")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer abc",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=KEY, SignedHeaders=host, Signature=ab",
        "AWS4-HMAC-SHA256 Credential=KEY/20261122/EU_WEST/sagemaker/aws4_request, Signature=ab",
        f"AWS4-HMAC-SHA256 Credential=KEY/20261122/{'r' * 33}/sagemaker/aws4_request, Signature=ab",
        "AWS4-HMAC-SHA256 Credential=KEY/20261122//sagemaker/aws4_request, Signature=ab",
    ],
)
def test_defaults_where_the_header_tells_nothing(header: str | None) -> None:
    assert read_caller(header) == Caller("123456789012", "us-east-1")
