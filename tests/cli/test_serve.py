from __future__ import annotations

import ipaddress
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from tests.cli.conftest import Service, Start, Tinsmith


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def children(process: int) -> list[int]:
    listing = Path(f"/proc/{process}/task")
    return [int(pid) for task in listing.iterdir() for pid in (task / "children").read_text().split()]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_healthz_answers(service: Service) -> None:
    with urllib.request.urlopen(service.exports["AWS_ENDPOINT_URL_SAGEMAKER"] + "/healthz") as reply:
        assert reply.status == 200


def test_env_makes_the_aws_command_line_work(service: Service) -> None:
    """As its help says: eval "$(tinsmith env)"."""
    env = shlex.join([sys.executable, "-m", "tinsmith", "env", "--data-dir", str(service.data_dir)])
    aws = shlex.quote(str(Path(sys.executable).with_name("aws")))
    script = f"""
        eval "$({env})"
        set -e
        echo hello > "$HOME/hello"
        {aws} s3 cp --quiet "$HOME/hello" s3://tinsmith/cli/hello
        {aws} s3 ls s3://tinsmith/cli/
        {aws} sagemaker list-compilation-jobs --query 'CompilationJobSummaries[].Name' --output text
        {aws} sts get-caller-identity --query Account --output text
        echo "$TINSMITH_ROLE_ARN"
    """
    clean = {
        "HOME": str(service.data_dir),
        "PATH": os.environ["PATH"],
        "AWS_SESSION_TOKEN": "of-another-account",
    }
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[3:] == ["hello", "000000000000", "arn:aws:iam::000000000000:role/tinsmith"]


def test_env_prints_what_serve_printed(service: Service, tinsmith: Tinsmith) -> None:
    lines = tinsmith("env", "--data-dir", service.data_dir).output.splitlines()
    assert dict(line.removeprefix("export ").split("=", 1) for line in lines) == service.exports
    assert all(line.startswith("export ") for line in lines)
    assert set(service.exports) == {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_CLOUDWATCH",
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
        "AWS_ENDPOINT_URL_KMS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_SAGEMAKER",
        "AWS_ENDPOINT_URL_STS",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "TINSMITH_ROLE_ARN",
    }


def test_env_without_a_service_says_how_to_start_one(tinsmith: Tinsmith, tmp_path: Path) -> None:
    outcome = tinsmith("env", "--data-dir", tmp_path / "nothing")
    assert (outcome.code, outcome.output) == (1, "")
    assert "tinsmith serve --data-dir" in outcome.errors
    assert not (tmp_path / "nothing").exists()


def test_the_data_dir_can_come_from_the_environment(service: Service, tinsmith: Tinsmith) -> None:
    outcome = tinsmith("env", TINSMITH_DATA_DIR=str(service.data_dir))
    assert outcome.output == tinsmith("env", "--data-dir", service.data_dir).output


def test_two_services_cannot_share_a_data_dir(service: Service, tinsmith: Tinsmith) -> None:
    outcome = tinsmith("serve", "--data-dir", service.data_dir, "--port", "0")
    assert outcome.code == 1
    assert f"Another service (process {service.process.pid}) uses" in outcome.errors


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_without_authentication_only_loopback_is_served(
    tinsmith: Tinsmith, tmp_path: Path, host: str
) -> None:
    outcome = tinsmith("serve", "--data-dir", tmp_path / "d", "--host", host, "--insecure-no-auth")
    assert outcome.code == 2
    assert "is not a loopback address" in outcome.errors
    assert not (tmp_path / "d").exists()


def test_other_addresses_are_served_with_authentication_and_a_warning(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path, "--host", "0.0.0.0")
    assert any("0.0.0.0 is served without TLS" in line for line in service.said)
    assert service.client("sagemaker").list_compilation_jobs()
    assert refusal_of(service) == "MissingAuthenticationTokenException"


def test_unsigned_requests_are_refused_unless_asked_for(
    service: Service, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal_of(service) == "MissingAuthenticationTokenException"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, service.exports[name])
    s3 = ("--s3-endpoint", service.exports["AWS_ENDPOINT_URL_S3"])
    insecure = start(tmp_path, "--insecure-no-auth", *s3)
    assert any("WARNING: --insecure-no-auth" in line for line in insecure.said)
    assert refusal_of(insecure) is None


def test_tls(service: Service, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, service.exports[name])
    certificate, key = self_signed(tmp_path)
    s3 = ("--s3-endpoint", service.exports["AWS_ENDPOINT_URL_S3"])
    secure = start(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key), *s3)
    assert secure.exports["AWS_ENDPOINT_URL_SAGEMAKER"].startswith("https://127.0.0.1:")
    secure.exports |= {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    assert secure.client("sagemaker").list_compilation_jobs()["CompilationJobSummaries"] == []


@pytest.mark.parametrize("option", ["--tls-cert", "--tls-key"])
def test_tls_needs_certificate_and_key(tinsmith: Tinsmith, tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("x")
    outcome = tinsmith("serve", "--data-dir", tmp_path / "d", option, tmp_path / "file")
    assert outcome.code == 2
    assert "--tls-key" in outcome.errors


def refusal_of(service: Service) -> str | None:
    """The error of an unsigned request; None when it was answered."""
    request = urllib.request.Request(
        service.exports["AWS_ENDPOINT_URL_SAGEMAKER"],
        b"{}",
        {"X-Amz-Target": "SageMaker.ListCompilationJobs"},
    )
    try:
        with urllib.request.urlopen(request) as reply:
            assert reply.status == 200
            return None
    except urllib.error.HTTPError as error:
        with error:
            code: str = json.loads(error.read())["__type"]
        return code


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tinsmith")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
    )
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key


def test_a_taken_port_is_named(tinsmith: Tinsmith, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = tinsmith("serve", "--data-dir", tmp_path, "--port", port)
    assert outcome.code == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in outcome.errors


def test_a_data_dir_that_cannot_be_made(tinsmith: Tinsmith, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = tinsmith("serve", "--data-dir", tmp_path / "file" / "d", "--port", "0")
    assert outcome.code == 1
    assert outcome.errors.startswith("InternalError: ")
    assert "Not a directory" in outcome.errors


def test_state_is_for_its_owner_alone(service: Service) -> None:
    assert service.exports["AWS_SECRET_ACCESS_KEY"] not in (service.data_dir / "endpoints.json").read_text()
    assert (service.data_dir / "objects").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_in_order(start: Start, tmp_path: Path, number: int) -> None:
    service = start(tmp_path)
    family = children(service.process.pid)
    assert family
    assert service.stop(number) == 0
    assert "Stopping ..." in "".join(service.said)
    assert "Traceback" not in "".join(service.said)
    assert not any(is_running(child) for child in family)


def test_keys_endpoints_and_jobs_survive_a_kill(start: Start, tinsmith: Tinsmith, tmp_path: Path) -> None:
    first = start(tmp_path)
    first.client("s3").put_object(Bucket="tinsmith", Key="kept", Body=b"kept")
    create(first, "before-the-kill")
    family = children(first.process.pid)
    first.stop(signal.SIGKILL)
    assert eventually(lambda: not any(is_running(child) for child in family))
    assert "before-the-kill" in tinsmith("ls", "--data-dir", tmp_path).output
    outcome = tinsmith("env", "--data-dir", tmp_path)
    assert outcome.code == 0
    assert "is not running" in outcome.errors

    second = start(tmp_path)
    same = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3")
    assert [second.exports[name] for name in same] == [first.exports[name] for name in same]
    assert second.client("s3").get_object(Bucket="tinsmith", Key="kept")["Body"].read() == b"kept"
    assert eventually(lambda: describe(second, "before-the-kill")["CompilationJobStatus"] == "FAILED")


def test_an_endpoint_of_ones_own_replaces_the_embedded_store(
    service: Service, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, service.exports[name])
    other = start(tmp_path, "--s3-endpoint", service.exports["AWS_ENDPOINT_URL_S3"])
    assert other.exports["AWS_ENDPOINT_URL_S3"] == service.exports["AWS_ENDPOINT_URL_S3"]
    assert not (tmp_path / "objects").exists()
    assert "AWS_ACCESS_KEY_ID" not in other.exports
    other.exports |= {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    create(other, "missing")
    assert eventually(lambda: describe(other, "missing")["CompilationJobStatus"] == "FAILED")
    assert describe(other, "missing")["FailureReason"] == (
        "ClientError: InputConfiguration: S3 object does not exist. "
        "Bucket: tinsmith, Key: no/such/model.tar.gz"
    )


def create(service: Service, name: str) -> None:
    service.client("sagemaker").create_compilation_job(
        CompilationJobName=name,
        RoleArn=service.exports["TINSMITH_ROLE_ARN"],
        InputConfig={"S3Uri": "s3://tinsmith/no/such/model.tar.gz", "Framework": "XGBOOST"},
        OutputConfig={"S3OutputLocation": "s3://tinsmith/out", "TargetDevice": "ml_c5"},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def describe(service: Service, name: str) -> dict[str, str]:
    job: dict[str, str] = service.client("sagemaker").describe_compilation_job(CompilationJobName=name)
    return job


def test_an_engine_file_with_mistakes_ends_the_start(tinsmith: Tinsmith, tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text("nodes = 3\n[placement.ml_c5]\ncpus = 'two'\n")
    outcome = tinsmith(
        "serve", "--data-dir", tmp_path / "data", "--engine", "slurm", "--engine-config", str(path)
    )
    assert outcome.code != 0
    text = " ".join(outcome.errors.split())
    assert "nodes: expected one of mailbox" in text
    assert "placement.ml_c5.cpus: expected a number, found 'two'" in text


def test_an_engine_on_other_machines_needs_a_mailbox(tinsmith: Tinsmith, tmp_path: Path) -> None:
    outcome = tinsmith(
        "serve", "--data-dir", tmp_path / "data", "--port", "0", "--engine", "slurm",
        "--s3-endpoint", "http://127.0.0.1:9",
    )  # fmt: skip
    assert outcome.code != 0
    assert "engine slurm: expected a mailbox, s3://<bucket>/<prefix>" in outcome.errors
