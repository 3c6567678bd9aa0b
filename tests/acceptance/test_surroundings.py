"""What is beside a job, through the service as a user runs it: keys, networks, logs, metrics and events."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.acceptance.service import BUCKET, Service, until

GROUP = "/aws/sagemaker/CompilationJobs"
SERVICES = {"logs": "CLOUDWATCH_LOGS", "cloudwatch": "CLOUDWATCH", "kms": "KMS"}


@dataclass
class Relay:
    """An address in a network of its own from which the object store is reached; counts who comes."""

    host: str
    target: int = 0
    connections: int = 0
    listener: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.listener = socket.create_server((self.host, 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                store = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for source, sink in ((client, store), (store, client)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Hook(ThreadingHTTPServer):
    """A receiver of events."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HookHandler)
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _HookHandler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.events.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@dataclass
class Place:
    """A service with everything around it."""

    service: Service
    hook: Hook
    relay: Relay | None
    model: bytes

    def client(self, name: str) -> Any:
        env = self.service.env
        return boto3.session.Session().client(
            name,
            region_name=env["AWS_REGION"],
            endpoint_url=env[f"AWS_ENDPOINT_URL_{SERVICES[name]}"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )

    def create(self, name: str, vpc: dict[str, Any] | None = None, **output: Any) -> None:
        uri = self.service.put(f"in/{name}.tar.gz", self.model)
        request = self.service.request(name, uri, **output)
        if vpc:
            request["VpcConfig"] = vpc
        self.service.client("sagemaker").create_compilation_job(**request)


@contextmanager
def linked_namespace() -> Iterator[tuple[str, str] | None]:
    """(a network namespace, the address of this end of the only wire into it); None without root, `ip`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        yield None
        return
    name, number = f"tinsmith-{uuid.uuid4().hex[:6]}", int(uuid.uuid4().hex[:2], 16)
    ours, theirs, here = f"to{name[-6:]}", f"in{name[-6:]}", f"10.213.{number}.1"
    for command in (
        f"ip netns add {name}",
        f"ip link add {ours} type veth peer name {theirs}",
        f"ip link set {theirs} netns {name}",
        f"ip addr add {here}/24 dev {ours}",
        f"ip link set {ours} up",
        f"ip -n {name} addr add 10.213.{number}.2/24 dev {theirs}",
        f"ip -n {name} link set {theirs} up",
        f"ip -n {name} link set lo up",
    ):
        subprocess.run(command.split(), check=True)
    try:
        yield name, here
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    hook = Hook()
    options = ["--events-webhook", f"http://127.0.0.1:{hook.server_port}/", "--s3-patience", "0"]
    with linked_namespace() as link:
        relay = None
        networks = folder / "networks.toml"
        content = (
            '[closed]\nsubnets = ["subnet-0c"]\nsecurity-groups = ["sg-0c"]\nproxy = "http://127.0.0.1:9"\n'
        )
        if link is not None:
            relay = Relay(link[1])
            content += (
                f'[private]\nsubnets = ["subnet-0a"]\nsecurity-groups = ["sg-0a"]\n'
                f'namespace = "{link[0]}"\ns3-endpoint = "{relay.url}"\n'
            )
        networks.write_text(content)
        model = (corpus / "xgboost-cfb-ep" / "model.tar.gz").read_bytes()
        with Service(folder / "data", *options, "--networks", str(networks)) as service:
            if relay is not None:
                relay.target = int(service.env["AWS_ENDPOINT_URL_S3"].rpartition(":")[2])
            yield Place(service, hook, relay, model)
        if relay is not None:
            relay.listener.close()
    hook.shutdown()


def test_an_artifact_is_encrypted_with_the_key_that_the_job_names(place: Place) -> None:
    kms = place.client("kms")
    key = kms.create_key(Description="artifacts")["KeyMetadata"]
    kms.create_alias(AliasName="alias/artifacts", TargetKeyId=key["KeyId"])
    place.create("encrypted", KmsKeyId="alias/artifacts")
    job = place.service.await_status("encrypted", "COMPLETED")
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    head = place.service.client("s3").head_object(Bucket=BUCKET, Key=uri.split("/", 3)[3])
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key["Arn"])
    assert place.service.get(uri)[:2] == b"\x1f\x8b"
    objects = (place.service.data_dir / "objects" / "data").rglob("*")
    assert not any(b"manifest" in file.read_bytes() for file in objects if file.suffix == ".gz")
    assert job["OutputConfig"]["KmsKeyId"] == "alias/artifacts"


def test_keys_that_cannot_be_used_fail_the_job_by_name(place: Place) -> None:
    kms = place.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=key)
    place.create("disabled", KmsKeyId=key)
    place.create("unknown", KmsKeyId="alias/nothing")
    reason = place.service.await_status("disabled", "FAILED")["FailureReason"]
    assert reason == (
        f"ClientError: OutputConfiguration: KmsKeyId {key!r}: {key} is Disabled; it must be enabled."
    )
    reason = place.service.await_status("unknown", "FAILED")["FailureReason"]
    assert "KmsKeyId 'alias/nothing': NotFoundException: Alias arn:aws:kms:" in reason


def test_keys_and_what_they_hold_survive_a_restart(place: Place) -> None:
    kms = place.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    uri = place.service.put("before", b"")
    s3 = place.service.client("s3")
    s3.put_object(Bucket=BUCKET, Key="before", Body=b"kept", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    place.service.kill()
    place.service.start()
    if place.relay is not None:
        place.relay.target = int(place.service.env["AWS_ENDPOINT_URL_S3"].rpartition(":")[2])
    opened = place.client("kms").decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == b"secret"
    assert place.service.get(uri) == b"kept"


def test_a_job_in_a_network_reaches_the_store_from_there_and_nowhere_else(place: Place) -> None:
    if place.relay is None:
        pytest.skip("network namespaces need root and `ip`")
    before = place.relay.connections
    place.create("private", {"Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"]})
    job = place.service.await_status("private", "COMPLETED")
    assert place.relay.connections > before
    assert job["VpcConfig"] == {"Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"]}
    place.relay.target, kept = 9, place.relay.target  # nothing answers there now; loopback still would
    try:
        place.create("cut-off", {"Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"]})
        reason = place.service.await_status("cut-off", "FAILED")["FailureReason"]
        assert "does not answer" in reason
    finally:
        place.relay.target = kept


def test_a_job_behind_a_proxy_goes_through_it_alone(place: Place) -> None:
    place.create("behind", {"Subnets": ["subnet-0c"], "SecurityGroupIds": ["sg-0c"]})
    reason = place.service.await_status("behind", "FAILED")["FailureReason"]
    assert "does not answer" in reason
    assert "127.0.0.1:9" in reason


def test_unknown_networks_fail_the_job(place: Place) -> None:
    place.create("nowhere", {"Subnets": ["subnet-0a1b"], "SecurityGroupIds": ["sg-0a1b"]})
    reason = place.service.await_status("nowhere", "FAILED")["FailureReason"]
    assert reason == (
        "ClientError: VpcConfig: The subnet ID 'subnet-0a1b' does not exist. | "
        "The security group 'sg-0a1b' does not exist."
    )


def test_a_job_is_told_of_by_logs_metrics_and_events(place: Place) -> None:
    place.create("told")
    place.service.await_status("told", "COMPLETED")
    logs, metrics = place.client("logs"), place.client("cloudwatch")

    def messages() -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP, logStreamNames=["told"], PaginationConfig={"PageSize": 3}
        )
        return [event["message"] for page in pages for event in page["events"]]

    lines = [line.partition("  ")[2] for line in place.service.logs("told").splitlines()]
    until(lambda: messages() == lines)
    assert "attempt 1 begins" in lines
    found = logs.filter_log_events(logGroupName=GROUP, filterPattern='"attempt 1 begins" -failed')
    assert "told" in {event["logStreamName"] for event in found["events"]}

    until(lambda: any(_is(event, "told", "COMPLETED") for event in place.hook.events))
    statuses = [
        event["detail"]["CompilationJobStatus"]
        for event in place.hook.events
        if event["detail"]["CompilationJobName"] == "told"
    ]
    assert list(dict.fromkeys(statuses)) == ["STARTING", "INPROGRESS", "COMPLETED"]

    def completed() -> float:
        now = datetime.now(UTC)
        reply = metrics.get_metric_statistics(
            Namespace="Tinsmith/CompilationJobs",
            MetricName="JobsCompleted",
            Dimensions=[{"Name": "Framework", "Value": "XGBOOST"}, {"Name": "Target", "Value": "ml_c4"}],
            StartTime=now - timedelta(hours=2),
            EndTime=now + timedelta(hours=1),
            Period=10_800,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in reply["Datapoints"]))

    until(lambda: completed() >= 1)


def _is(event: dict[str, Any], name: str, status: str) -> bool:
    detail = event["detail"]
    return (detail["CompilationJobName"], detail["CompilationJobStatus"]) == (name, status)


def test_the_command_line_of_aws_follows_a_log(place: Place, tmp_path: Path) -> None:
    version = ""
    aws = Path("/usr/bin/aws")
    if aws.exists():
        version = subprocess.run([aws, "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("aws-cli/2"):
        pytest.skip("Debian's package awscli (version 2) is not installed")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    url = place.service.env["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"]
    command = [str(aws), "--endpoint-url", url, "logs", "tail", GROUP, "--since", "1h", "--follow"]
    seen = tmp_path / "seen"
    place.create("followed")
    with seen.open("w") as output:
        follower = subprocess.Popen(
            command, env=environment | place.service.env, stdout=output, stderr=output
        )
    try:
        until(lambda: re.search(r" followed wrote s3://", seen.read_text()))
    finally:
        follower.kill()
        follower.wait()
