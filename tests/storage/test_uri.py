from __future__ import annotations

import pytest

from tinsmith.errors import ClientError
from tinsmith.storage.uri import ObjectLocation, parse_uri

ENDPOINT = "http://127.0.0.1:9230"


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://b/k", "b", "k"),
        ("s3://b/a b/ü%20?x#y//z", "b", "a b/ü%20?x#y//z"),
        ("https://127.0.0.1:9230/b/a/k.tar.gz", "b", "a/k.tar.gz"),
        ("https://b.127.0.0.1:9230/a/k.tar.gz", "b", "a/k.tar.gz"),
        ("https://127.0.0.1:9230/b/a%20b%2Fc", "b", "a b/c"),
        ("https://s3.amazonaws.com/b/k", "b", "k"),
        ("https://s3.us-west-2.amazonaws.com/b/k", "b", "k"),
        ("https://s3-us-west-2.amazonaws.com/b/k", "b", "k"),
        ("https://s3.dualstack.eu-central-1.amazonaws.com/b/k", "b", "k"),
        ("https://b.s3.amazonaws.com/k", "b", "k"),
        ("https://my.b.s3.us-gov-west-1.amazonaws.com/k", "my.b", "k"),
        ("https://b.s3.cn-north-1.amazonaws.com.cn/k", "b", "k"),
    ],
)
def test_accepted(uri: str, bucket: str, key: str) -> None:
    location = parse_uri(uri, ENDPOINT, "InputConfiguration")
    assert location == ObjectLocation(bucket, key)
    assert parse_uri(location.uri, ENDPOINT, "InputConfiguration") == location


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("s3://b", "names no key"),
        ("s3://b/", "names no key"),
        ("s3:///k", "names no bucket"),
        ("S3://b/k", "neither s3:// nor https://"),
        ("http://127.0.0.1:9230/b/k", "neither s3:// nor https://"),
        ("https://127.0.0.1:9230/b", "names no key"),
        ("https://127.0.0.1:9231/b/k", "expected 127.0.0.1:9230 or an AWS S3 host"),
        ("https://evil.example/b/k", "is unknown"),
        ("https://evil127.0.0.1:9230/k", "is unknown"),
        ("https://s3.amazonaws.com.evil.example/b/k", "is unknown"),
        ("https://evils3.amazonaws.com/b/k", "is unknown"),
        ("https://b.s3.amazonaws.com/k?X-Amz-Signature=1", "signed links are not accepted"),
        ("https://user:secret@b.s3.amazonaws.com/k", "carries credentials"),
    ],
)
def test_refused(uri: str, complaint: str) -> None:
    with pytest.raises(ClientError, match="OutputConfiguration") as caught:
        parse_uri(uri, ENDPOINT, "OutputConfiguration")
    assert complaint in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_an_endpoint_only_aws_hosts_are_known() -> None:
    assert parse_uri("https://b.s3.amazonaws.com/k", None, "x") == ObjectLocation("b", "k")
    with pytest.raises(ClientError, match="expected an AWS S3 host"):
        parse_uri("https://127.0.0.1:9230/b/k", None, "x")
