"""Objects in and out: one S3 endpoint, any make, through boto3."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.exceptions import ClientError as S3Error

from tinsmith.errors import ClientError, InternalError, TinsmithError, Unavailable
from tinsmith.storage.credentials import Credentials
from tinsmith.storage.download import RangedDownload, RemoteObject
from tinsmith.storage.uri import ObjectLocation, parse_uri

__all__ = ["Credentials", "ObjectStore", "StoredObject", "is_loopback"]

T = TypeVar("T")

INPUT = "InputConfiguration"
OUTPUT = "OutputConfiguration"
SINGLE_PUT_BYTES = 256 << 20
"""Larger files go up in parts."""
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_DENIED = {
    "403", "AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId",
    "InvalidToken", "SignatureDoesNotMatch",
}  # fmt: skip
_ELSEWHERE = {
    "301",
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
_CHANGED = {"412", "PreconditionFailed"}
_AWAY = {429, 500, 502, 503, 504}
"""Statuses of a store that may do it later."""


@dataclass(frozen=True)
class StoredObject:
    """What the store says of an object."""

    location: ObjectLocation
    size: int
    """Bytes."""
    etag: str


class ObjectStore:
    """One S3 endpoint with one set of credentials. Safe to share between threads."""

    def __init__(
        self,
        endpoint_url: str | None = None,
        region: str = "us-west-2",
        credentials: Credentials | None = None,
        proxy: str | None = None,
    ) -> None:
        """`endpoint_url` None is AWS itself; `credentials` None is boto3's own chain of providers.

        Everything goes through `proxy`, an HTTP proxy, where there is one.
        """
        self.endpoint_url = endpoint_url
        self.region = region
        keys = {}
        if credentials:
            keys = {
                "aws_access_key_id": credentials.access_key,
                "aws_secret_access_key": credentials.secret_key,
                "aws_session_token": credentials.session_token,
            }
        session = boto3.session.Session(region_name=region)
        self.client: Any = session.client(
            "s3", endpoint_url=endpoint_url, config=_config(endpoint_url, proxy), **keys
        )

    def download(self, uri: str, destination: Path, max_bytes: int) -> StoredObject:
        """Bring the object `uri` to the file `destination`, whole and checked, or raise.

        The size is capped before the first byte. A download that was killed resumes from the ranges that it
        finished, as long as the object is still the same; nothing is ever seen under the name `destination`
        but the complete object.
        """
        location = parse_uri(uri, self.endpoint_url, INPUT)
        head = self._head(location)
        size = int(head["ContentLength"])
        if size > max_bytes:
            raise ClientError(
                INPUT,
                f"S3 object is too large: {size} bytes, at most {max_bytes} are accepted. "
                f"Bucket: {location.bucket}, Key: {location.key}",
            )
        remote = RemoteObject(location.bucket, location.key, size, head["ETag"], head)
        self._guard(INPUT, location, lambda: RangedDownload(self.client, remote, destination).run())
        return StoredObject(location, size, head["ETag"])

    def upload(self, path: Path, uri: str, kms_key_id: str | None = None) -> StoredObject:
        """Put the file `path` at `uri`: whole or not at all, checked by the store and again by a HEAD.

        `kms_key_id` asks for SSE-KMS with that key; a store that then keeps it in the clear is an error.
        """
        location = parse_uri(uri, self.endpoint_url, OUTPUT)
        options = {"ContentType": "application/gzip"}
        if kms_key_id:
            options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}

        def put_and_check() -> StoredObject:
            digest = _sha256(path)
            self._put(path, location, digest, options)
            head = self.client.head_object(Bucket=location.bucket, Key=location.key, ChecksumMode="ENABLED")
            _check_upload(path, digest, head, encrypted=kms_key_id is not None)
            return StoredObject(location, int(head["ContentLength"]), head["ETag"])

        try:
            return self._guard(OUTPUT, location, put_and_check)
        except InternalError as error:
            if kms_key_id is None:
                raise
            hint = "The request has a KmsKeyId: does the store support SSE-KMS?"
            raise type(error)(f"{error} {hint}") from error

    def ensure_bucket(self, bucket: str) -> None:
        """Make `bucket` where it is not there yet."""
        location = ObjectLocation(bucket, "")

        def look_or_make() -> None:
            try:
                self.client.head_bucket(Bucket=bucket)
            except S3Error as error:
                if _code(error) not in _MISSING:
                    raise
                self.client.create_bucket(Bucket=bucket)

        self._guard(OUTPUT, location, look_or_make)

    def _put(self, path: Path, location: ObjectLocation, digest: str, options: dict[str, str]) -> None:
        """One PUT, which the store refuses unless it gets what `digest` says; large files in parts."""
        where = {"Bucket": location.bucket, "Key": location.key}
        with path.open("rb") as body:
            if path.stat().st_size <= SINGLE_PUT_BYTES:
                self.client.put_object(**where, Body=body, ChecksumSHA256=digest, **options)
                return
            extra = options | {"ChecksumAlgorithm": "SHA256"}
            parts = TransferConfig(
                multipart_threshold=SINGLE_PUT_BYTES, multipart_chunksize=SINGLE_PUT_BYTES // 4
            )
            self.client.upload_fileobj(body, **where, ExtraArgs=extra, Config=parts)

    def _head(self, location: ObjectLocation) -> dict[str, Any]:
        """HEAD replies carry no error body, so a failed one is asked again as a GET, which does."""
        where = {"Bucket": location.bucket, "Key": location.key}
        try:
            return dict(self.client.head_object(**where, ChecksumMode="ENABLED"))
        except S3Error:
            self._guard(INPUT, location, lambda: self.client.get_object(**where)["Body"].close())
            return self._guard(INPUT, location, lambda: dict(self.client.head_object(**where)))
        except BotoCoreError as error:
            raise self._unsent(error, INPUT, location) from error

    def _guard(self, area: str, location: ObjectLocation, action: Callable[[], T]) -> T:
        try:
            return action()
        except S3Error as error:
            raise _translate(error, area, location, self.region) from error
        except BotoCoreError as error:
            raise self._unsent(error, area, location) from error

    def _unsent(self, error: BotoCoreError, area: str, location: ObjectLocation) -> TinsmithError:
        """What is meant by an error that does not come from the store."""
        store = self.endpoint_url or "Amazon S3"
        if isinstance(error, ParamValidationError):
            return ClientError(
                area, f"There can be no such S3 object as {location.uri!r}: {error.kwargs['report']}"
            )
        if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
            return InternalError(f"There are no keys for the object store {store}: {error}")
        return Unavailable(f"The object store {store} does not answer: {error}")


def _config(endpoint_url: str | None, proxy: str | None) -> Config:
    proxies: dict[str, str] | None = {} if endpoint_url and is_loopback(endpoint_url) else None
    if proxy is not None:
        proxies = {"http": proxy, "https": proxy}
    return Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=16,
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        # Other makes of S3 refuse or garble the checksums that boto3 adds unasked.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies=proxies,
    )


def is_loopback(endpoint_url: str) -> bool:
    """Whether the host of `endpoint_url` is this machine, which no proxy can reach."""
    host = urlsplit(endpoint_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _code(error: S3Error) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _translate(error: S3Error, area: str, location: ObjectLocation, own_region: str) -> TinsmithError:
    """The service's own texts for what the store says; anything but 4xx is not the customer's doing."""
    code = _code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    place = f"Bucket: {location.bucket}, Key: {location.key}"
    if code == "NoSuchBucket" or (code in _MISSING and area == OUTPUT):
        return ClientError(area, f"S3 bucket does not exist. Bucket: {location.bucket}")
    if code in _MISSING:
        return ClientError(area, f"S3 object does not exist. {place}")
    if code in _CHANGED:
        return ClientError(area, f"S3 object changed while it was being read. {place}")
    if code in _DENIED:
        return ClientError(area, f"S3 access denied. {place}. {error}")
    if code in _ELSEWHERE:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region", "unknown")
        return ClientError(
            area,
            f"Bucket {location.bucket} is in region {region} which is different from AWS Sagemaker service "
            f"region {own_region}. {error}",
        )
    if status in _AWAY or code == "RequestTimeout":
        return Unavailable(f"The object store failed. {place}. {error}")
    if 400 <= status < 500:
        return ClientError(area, f"S3 refused the request. {place}. {error}")
    return InternalError(f"The object store failed. {place}. {error}")


def _sha256(path: Path) -> str:
    """Base64, as S3 writes it."""
    with path.open("rb") as body:
        return base64.b64encode(hashlib.file_digest(body, "sha256").digest()).decode()


def _check_upload(path: Path, digest: str, head: dict[str, Any], encrypted: bool) -> None:
    size = path.stat().st_size
    if int(head["ContentLength"]) != size:
        raise InternalError(f"The store kept {head['ContentLength']} bytes of the {size} of {path.name}.")
    stored = head.get("ChecksumSHA256")
    if stored and "-" not in stored and stored != digest:
        raise InternalError(f"The store kept {path.name} with SHA-256 {stored}; the file has {digest}.")
    if encrypted and head.get("ServerSideEncryption") != "aws:kms":
        raise ClientError(
            OUTPUT, "The object store accepted KmsKeyId but did not encrypt the object with it."
        )
