from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError as S3Error

from tinsmith.errors import ClientError, InternalError, Unavailable, failure_reason
from tinsmith.storage import s3
from tinsmith.storage.credentials import Credentials
from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.storage.s3 import ObjectStore
from tinsmith.storage.uri import ObjectLocation


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model-ml_c5.tar.gz"
    path.write_bytes(os.urandom(100_000))
    return path


def stranger(embedded: EmbeddedStore, **changes: str) -> ObjectStore:
    keys = {
        "access_key": embedded.credentials.access_key,
        "secret_key": embedded.credentials.secret_key,
    } | changes
    return ObjectStore(embedded.endpoint_url, "us-east-1", Credentials(**keys))


@pytest.mark.parametrize("key", ["model.tar.gz", "a b/ü+%41&=?#.tar.gz", "deep/" * 40 + "x"])
def test_a_round_trip_keeps_bytes_and_key(store: ObjectStore, prefix: str, file: Path, key: str) -> None:
    up = store.upload(file, f"{prefix}/{key}")
    down = store.download(f"{prefix}/{key}", file.with_name("back"), 100_000)
    assert file.with_name("back").read_bytes() == file.read_bytes()
    assert up == down
    assert (up.size, up.location.uri) == (100_000, f"{prefix}/{key}")


def test_https_names_of_the_same_object(
    store: ObjectStore, embedded: EmbeddedStore, prefix: str, file: Path
) -> None:
    store.upload(file, f"{prefix}/k")
    path = prefix.removeprefix("s3://") + "/k"
    host = embedded.endpoint_url.removeprefix("http://")
    store.download(f"https://{host}/{path}", file.with_name("back"), 100_000)
    assert file.with_name("back").read_bytes() == file.read_bytes()


def test_an_empty_object(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    store.upload(tmp_path / "empty", f"{prefix}/empty")
    store.download(f"{prefix}/empty", tmp_path / "back", 0)
    assert (tmp_path / "back").read_bytes() == b""


def test_the_size_is_capped_before_the_download(store: ObjectStore, prefix: str, file: Path) -> None:
    store.upload(file, f"{prefix}/k")
    with pytest.raises(ClientError, match="too large: 100000 bytes, at most 99999 are accepted"):
        store.download(f"{prefix}/k", file.with_name("back"), 99_999)
    assert not list(file.parent.glob("back*"))


def test_a_missing_object_gives_the_services_text(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError) as caught:
        store.download(f"{prefix}/no/such.tar.gz", tmp_path / "x", 1)
    key = prefix.removeprefix("s3://tinsmith/") + "/no/such.tar.gz"
    assert failure_reason(caught.value) == (
        f"ClientError: InputConfiguration: S3 object does not exist. Bucket: tinsmith, Key: {key}"
    )


def test_a_missing_bucket(store: ObjectStore, file: Path) -> None:
    with pytest.raises(ClientError, match=r"^InputConfiguration: S3 bucket does not exist. Bucket: no-such"):
        store.download("s3://no-such-bucket/k", file.with_name("x"), 1)
    with pytest.raises(ClientError, match=r"^OutputConfiguration: S3 bucket does not exist. Bucket: no-such"):
        store.upload(file, "s3://no-such-bucket/k")
    with pytest.raises(ClientError, match="does not exist"):
        store.download("s3://no-such-bucket/k", file.with_name("x"), 1)


@pytest.mark.parametrize("changes", [{"secret_key": "wrong" * 8}, {"access_key": "AKIANOBODYKNOWSTHIS0"}])
def test_wrong_keys_are_denied(
    embedded: EmbeddedStore, store: ObjectStore, prefix: str, file: Path, changes: dict[str, str]
) -> None:
    store.upload(file, f"{prefix}/k")
    denied = stranger(embedded, **changes)
    with pytest.raises(ClientError, match=r"^InputConfiguration: S3 access denied. Bucket: tinsmith, Key: "):
        denied.download(f"{prefix}/k", file.with_name("x"), 1 << 20)
    with pytest.raises(
        ClientError, match=r"^OutputConfiguration: S3 access denied. Bucket: tinsmith, Key: "
    ) as e:
        denied.upload(file, f"{prefix}/stolen")
    assert changes.get("secret_key", "wrongwrong") not in str(e.value)


class Elsewhere(BaseHTTPRequestHandler):
    """S3 as it answers for a bucket of another region."""

    def do_GET(self) -> None:
        content = (
            b"<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be "
            b"addressed using the specified endpoint.</Message></Error>"
        )
        self.send_response(301)
        self.send_header("x-amz-bucket-region", "eu-central-1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_bucket_of_another_region(tmp_path: Path) -> None:
    """The embedded store has one region, so a server of ours says what S3 says."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        store = ObjectStore(f"http://127.0.0.1:{server.server_port}", "us-east-1", Credentials("AKIA", "x"))
        with pytest.raises(ClientError) as caught:
            store.download("s3://far/k", tmp_path / "x", 1)
        server.shutdown()
    assert failure_reason(caught.value).startswith(
        "ClientError: InputConfiguration: Bucket far is in region eu-central-1 which is different from AWS "
        "Sagemaker service region us-east-1."
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", Unavailable),
        (500, "InternalError", Unavailable),
        (400, "RequestTimeout", Unavailable),
        (501, "NotImplemented", InternalError),
        (400, "InvalidRequest", ClientError),
    ],
)
def test_only_what_may_succeed_later_is_worth_another_try(status: int, code: str, kind: type) -> None:
    reply: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = S3Error(reply, "PutObject")
    assert type(s3._translate(error, "OutputConfiguration", ObjectLocation("b", "k"), "us-east-1")) is kind


def test_an_endpoint_that_does_not_answer_is_our_fault(tmp_path: Path) -> None:
    nobody = ObjectStore("http://127.0.0.1:1", "us-east-1", Credentials("AKIA", "x"))
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:1 does not answer"):
        nobody.download("s3://b/k", tmp_path / "x", 1)


@pytest.mark.parametrize("uri", ["s3://Not_A_Bucket!/k", "s3://b u/k", "s3://tinsmith/" + "k" * 1500])
def test_names_that_no_object_can_have(store: ObjectStore, file: Path, uri: str) -> None:
    with pytest.raises(ClientError, match=r"^InputConfiguration: "):
        store.download(uri, file.with_name("x"), 1 << 20)
    with pytest.raises(ClientError, match=r"^OutputConfiguration: "):
        store.upload(file, uri)


def test_missing_keys_are_named(
    embedded: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    keyless = ObjectStore(embedded.endpoint_url)
    with pytest.raises(InternalError, match=r"^There are no keys for the object store http://127"):
        keyless.download("s3://tinsmith/k", tmp_path / "x", 1)


def test_secrets_stay_out_of_texts() -> None:
    assert "hunter2" not in repr(Credentials("AKIA", "hunter2", "hunter2"))


def test_a_store_without_kms_keeps_nothing_in_the_clear(store: ObjectStore, prefix: str, file: Path) -> None:
    """The embedded store has no KMS: it must refuse, and no plain object may stay behind."""
    with pytest.raises(InternalError, match="KmsKeyId"):
        store.upload(file, f"{prefix}/secret", kms_key_id="alias/mine")
    with pytest.raises(ClientError, match="does not exist"):
        store.download(f"{prefix}/secret", file.with_name("x"), 1 << 20)


def test_kms_parameters_are_passed_and_checked(store: ObjectStore, prefix: str, file: Path) -> None:
    """What goes over the wire is looked at, then sent without the key so that the store accepts it."""
    sent: dict[str, Any] = {}

    def strip(params: dict[str, Any], **_: Any) -> None:
        sent.update(params["headers"])
        for name in list(params["headers"]):
            if name.lower().startswith("x-amz-server-side-encryption"):
                del params["headers"][name]

    store.client.meta.events.register("before-call.s3.PutObject", strip)
    try:
        with pytest.raises(ClientError, match="accepted KmsKeyId but did not encrypt"):
            store.upload(file, f"{prefix}/k", kms_key_id="arn:aws:kms:us-east-1:000000000000:key/1")
    finally:
        store.client.meta.events.unregister("before-call.s3.PutObject", strip)
    assert sent["x-amz-server-side-encryption"] == "aws:kms"
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:us-east-1:000000000000:key/1"


def test_a_large_file_goes_up_in_parts(
    store: ObjectStore, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SINGLE_PUT_BYTES", 20 << 20)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(21 << 20))
    stored = store.upload(big, f"{prefix}/big")
    assert stored.etag.strip('"').endswith("-5")
    store.download(f"{prefix}/big", tmp_path / "back", 1 << 30)
    assert (tmp_path / "back").read_bytes() == big.read_bytes()


def test_a_failed_upload_in_parts_leaves_nothing(
    store: ObjectStore, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SINGLE_PUT_BYTES", 20 << 20)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(21 << 20))

    def fail_third(params: dict[str, Any], **_: Any) -> None:
        if params["query_string"].get("partNumber") == 3:
            params["headers"]["x-amz-checksum-sha256"] = "A" * 43 + "="

    store.client.meta.events.register("before-call.s3.UploadPart", fail_third)
    try:
        with pytest.raises(ClientError, match="OutputConfiguration"):
            store.upload(big, f"{prefix}/big")
    finally:
        store.client.meta.events.unregister("before-call.s3.UploadPart", fail_third)
    assert "Uploads" not in store.client.list_multipart_uploads(Bucket="tinsmith")
    with pytest.raises(ClientError, match="does not exist"):
        store.download(f"{prefix}/big", tmp_path / "back", 1 << 30)


def test_damage_on_the_way_up_is_refused_by_the_store(store: ObjectStore, prefix: str, file: Path) -> None:
    def flip(params: dict[str, Any], **_: Any) -> None:
        params["body"] = b"not what was hashed".ljust(100_000, b"!")

    store.client.meta.events.register("before-call.s3.PutObject", flip)
    try:
        with pytest.raises((ClientError, InternalError)):
            store.upload(file, f"{prefix}/k")
    finally:
        store.client.meta.events.unregister("before-call.s3.PutObject", flip)
    with pytest.raises(ClientError, match="does not exist"):
        store.download(f"{prefix}/k", file.with_name("x"), 1 << 20)


def test_upload_replaces_what_was_there(store: ObjectStore, prefix: str, file: Path) -> None:
    store.upload(file, f"{prefix}/k")
    file.write_bytes(b"second")
    store.upload(file, f"{prefix}/k")
    store.download(f"{prefix}/k", file.with_name("back"), 6)
    assert file.with_name("back").read_bytes() == b"second"


def test_ensure_bucket_makes_it_once(store: ObjectStore, file: Path) -> None:
    store.ensure_bucket("made-by-test")
    store.upload(file, "s3://made-by-test/k")
    store.ensure_bucket("made-by-test")
    store.download("s3://made-by-test/k", file.with_name("x"), 1 << 20)
