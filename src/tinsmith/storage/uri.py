"""Object URIs: `s3://bucket/key` and the https forms that the API's pattern accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tinsmith.errors import ClientError

_AWS_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?",
    re.ASCII,
)


@dataclass(frozen=True)
class ObjectLocation:
    """One object: a bucket and a key, as they are (never percent-encoded)."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def parse_uri(uri: str, endpoint_url: str | None, area: str) -> ObjectLocation:
    """The object that `uri` names: `s3://`, or `https://` path-style or virtual-host-style.

    An https host must be the one of `endpoint_url` or an AWS S3 host; either way the object is looked for
    at the configured endpoint. `area` is the area of the ClientError that anything else raises.
    """
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
    elif uri.startswith("https://"):
        bucket, key = _from_https(uri, endpoint_url, area)
    else:
        raise ClientError(area, f"The object URI {uri!r} starts with neither s3:// nor https://.")
    if not bucket or not key:
        missing = "key" if bucket else "bucket"
        raise ClientError(area, f"The object URI {uri!r} names no {missing}; expected s3://<bucket>/<key>.")
    return ObjectLocation(bucket, key)


def _from_https(uri: str, endpoint_url: str | None, area: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ClientError(
            area,
            f"The object URI https://{parts.netloc.rpartition('@')[2]}{parts.path} carries credentials, "
            "a query string or a fragment; signed links are not accepted, the job's own permissions apply.",
        )
    path = unquote(parts.path.removeprefix("/"))
    bucket = _bucket_of_host(parts.netloc, endpoint_url)
    if bucket is None:
        known = f"{urlsplit(endpoint_url).netloc} or an AWS S3 host" if endpoint_url else "an AWS S3 host"
        raise ClientError(area, f"The host of the object URI {uri!r} is unknown: expected {known}.")
    if bucket:
        return bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key


def _bucket_of_host(host: str, endpoint_url: str | None) -> str | None:
    """The bucket in a virtual-host-style name, "" for a path-style host, None for a foreign host."""
    if endpoint_url:
        endpoint = urlsplit(endpoint_url).netloc
        if host == endpoint:
            return ""
        if host.endswith("." + endpoint):
            return host.removesuffix("." + endpoint)
    aws = _AWS_HOST.fullmatch(host)
    return (aws["bucket"] or "") if aws else None
