"""The objects through which the controller and an attempt on another machine talk.

    <mailbox>/<attempt name>/open      there as long as the attempt is wanted
                             pad       one share of a sealed order, until it is read
                             log       the attempt's log so far, in the form of `worker.logs`
                             result    AttemptResult, once

Only the controller has keys to them. The attempt gets addresses that are signed for one object each.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tinsmith.errors import InternalError
from tinsmith.settings import S3Options
from tinsmith.storage.s3 import is_loopback
from tinsmith.worker.engines.envelope import Assignment, plain, sealed, split
from tinsmith.worker.engines.port import EngineUnavailable
from tinsmith.worker.order import AttemptOrder, AttemptResult

SIGNED_SECONDS = 7 * 86_400
"""The longest that Signature Version 4 allows. An attempt that takes longer is lost."""
PARTS = ("open", "pad", "log", "result")


class Mailbox:
    """The objects of all attempts under one prefix of one bucket. Safe for threads."""

    def __init__(self, options: S3Options, location: str, work_dir: str | None = None) -> None:
        """`location` is s3://bucket/prefix; `work_dir` is handed on to the attempts."""
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        if not location.startswith("s3://") or not bucket:
            raise InternalError(f"mailbox {location!r}: expected s3://<bucket>/<prefix>")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/".removeprefix("/")
        self._work_dir = work_dir
        self._client = _client(options)

    def check(self) -> None:
        """Writes, reads and removes an object. Raises EngineUnavailable."""
        self._put("check", b"")
        self.close("check")

    def address(self, order: AttemptOrder, seal: bool) -> str:
        """Opens the mailbox of `order`; the envelope for its attempt. Raises EngineUnavailable."""
        name = order.name
        assignment = Assignment(
            order=order.to_json(),
            work_dir=self._work_dir,
            open_url=self._signed("get_object", name, "open"),
            log_url=self._signed("put_object", name, "log"),
            result_url=self._signed("put_object", name, "result"),
        )
        self._put(name, b"")
        if not seal:
            return plain(assignment)
        pad, share = split(assignment.to_json())
        self._put(name, pad, "pad")
        return sealed(
            share, self._signed("get_object", name, "pad"), self._signed("delete_object", name, "pad")
        )

    def result(self, name: str) -> AttemptResult | None:
        """The result; None when there is none. Raises EngineUnavailable: nobody knows."""
        data = self._get(name, "result")
        return None if data is None else AttemptResult.from_json(data)

    def log(self, name: str, start: int = 0) -> bytes:
        """The log from byte `start` on; empty when there is no more. Raises EngineUnavailable."""
        return self._get(name, "log", start) or b""

    def close(self, name: str) -> None:
        """Removes everything; an attempt that still runs ends itself. Raises EngineUnavailable."""
        for part in PARTS:
            try:
                self._client.delete_object(Bucket=self._bucket, Key=self._key(name, part))
            except (ClientError, BotoCoreError) as error:
                raise _unavailable(error) from error

    def _put(self, name: str, data: bytes, part: str = "open") -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._key(name, part), Body=data)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error

    def _get(self, name: str, part: str, start: int = 0) -> bytes | None:
        extra: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
        try:
            reply = self._client.get_object(Bucket=self._bucket, Key=self._key(name, part), **extra)
            data: bytes = reply["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404", "InvalidRange", "416"):
                return None
            raise _unavailable(error) from error
        except (BotoCoreError, OSError) as error:
            raise _unavailable(error) from error
        return data

    def _signed(self, operation: str, name: str, part: str) -> str:
        where = {"Bucket": self._bucket, "Key": self._key(name, part)}
        url: str = self._client.generate_presigned_url(operation, Params=where, ExpiresIn=SIGNED_SECONDS)
        return url

    def _key(self, name: str, part: str) -> str:
        return f"{self._prefix}{name}/{part}"


def _unavailable(error: Exception) -> EngineUnavailable:
    return EngineUnavailable(f"the mailbox cannot be reached: {error}")


def _client(options: S3Options) -> Any:
    """Quick to give up: whoever waits here watches other attempts too."""
    endpoint = options.endpoint_url
    keys = {}
    if options.access_key_id and options.secret_access_key:
        keys = {
            "aws_access_key_id": options.access_key_id,
            "aws_secret_access_key": options.secret_access_key,
            "aws_session_token": options.session_token,
        }
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "max_attempts": 2},
        connect_timeout=5,
        read_timeout=10,
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies={} if endpoint and is_loopback(endpoint) else None,
    )
    session = boto3.session.Session(region_name=options.region)
    return session.client("s3", endpoint_url=endpoint, config=config, **keys)
