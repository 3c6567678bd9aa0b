"""What a customer does with the service, from an empty data folder to predictions on a device."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from numpy.typing import NDArray

import tinsmith_runtime
from tests.acceptance.models import Trained, boosted, forest
from tests.acceptance.service import BUCKET, Service, frozen, until
from tinsmith.compiler.verify.execute import NoMachine, find_machine
from tinsmith.spec.targets import devices

pytestmark = pytest.mark.slow

ALWAYS = {
    "CompilationJobName", "CompilationJobArn", "CompilationJobStatus", "StoppingCondition", "CreationTime",
    "LastModifiedTime", "RoleArn", "InputConfig", "OutputConfig",
}  # fmt: skip
STARTED = ALWAYS | {"CompilationStartTime"}
ENDED = STARTED | {"CompilationEndTime"}
IMAGE = {"InferenceImage"}
"""Shown for a cloud device from INPROGRESS on."""
ARTIFACT = {"ModelArtifacts", "ModelDigests"}


@pytest.fixture(scope="module")
def service(data_dir: Path) -> Iterator[Service]:
    """One job at a time, so that the next one stays in the queue for as long as a test wants."""
    with Service(data_dir, "--concurrency", "1") as running:
        yield running


@pytest.fixture(scope="module")
def classifier() -> Trained:
    return boosted()


@pytest.fixture(scope="module")
def model(service: Service, classifier: Trained) -> str:
    """The URI of an XGBoost model."""
    return service.put("in/model.tar.gz", classifier.tarball)


def create(service: Service, name: str, uri: str, *args: str, **output: Any) -> dict[str, Any]:
    request = service.request(name, uri, *args, **output)
    reply = service.client("sagemaker").create_compilation_job(**request)
    account = service.env["TINSMITH_ROLE_ARN"].split(":")[4]
    assert reply["CompilationJobArn"] == f"arn:aws:sagemaker:us-east-1:{account}:compilation-job/{name}"
    return request


def unpacked(service: Service, job: dict[str, Any], folder: Path) -> Path:
    """The artifact of a finished job, downloaded, its digest compared, and unpacked beside itself."""
    tarball = service.get(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert hashlib.blake2b(tarball).hexdigest() == job["ModelDigests"]["ArtifactDigest"]
    (folder / "artifact.tar.gz").write_bytes(tarball)
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        archive.extractall(folder / "model", filter="data")
    return folder / "artifact.tar.gz"


def by_dlr(package: Path, artifact: Path, rows: NDArray[np.float32]) -> NDArray[Any]:
    """What the unmodified dlr package in the folder `package` predicts."""
    folder = artifact.parent
    np.save(folder / "rows.npy", rows)
    script = Path(__file__).with_name("dlr_predict.py")
    command = (sys.executable, script, folder / "model", folder / "rows.npy", folder / "prediction.npy")
    env = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    prediction: NDArray[Any] = np.load(folder / "prediction.npy")
    return prediction


def test_fields_of_each_state(service: Service, model: str) -> None:
    first = create(service, "first", model)
    with frozen(service):
        running = service.await_status("first", "INPROGRESS")
        create(service, "second", model)
        waiting = service.describe("second")
    done = service.await_status("first", "COMPLETED")

    assert waiting.keys() == ALWAYS
    assert waiting["CompilationJobStatus"] == "STARTING"
    assert waiting["LastModifiedTime"] == waiting["CreationTime"]

    assert running.keys() == STARTED | IMAGE
    assert running["LastModifiedTime"] == running["CompilationStartTime"] >= running["CreationTime"]
    assert running["CompilationStartTime"].microsecond == 0
    assert running["InferenceImage"].endswith("/xgboost-neo:latest")
    for member in ("InputConfig", "OutputConfig", "StoppingCondition", "RoleArn"):
        assert running[member] == first[member]

    assert done.keys() == ENDED | IMAGE | ARTIFACT | {"DerivedInformation"}
    assert done["LastModifiedTime"] == done["CompilationEndTime"] >= done["CompilationStartTime"]
    assert done["DerivedInformation"] == {"DerivedDataInputConfig": '{"data": [1, 6]}'}
    service.await_status("second", "COMPLETED")


def test_xgboost_for_the_host(
    service: Service, classifier: Trained, model: str, tmp_path: Path, dlr_now: Path
) -> None:
    create(service, "xgboost-host", model, "XGBOOST", "LINUX/X86_64")
    job = service.await_status("xgboost-host", "COMPLETED")
    assert job["ModelArtifacts"] == {
        "S3ModelArtifacts": f"s3://{BUCKET}/compiled/xgboost-host/model-LINUX_X86_64.tar.gz"
    }
    artifact = unpacked(service, job, tmp_path)
    compiled = tinsmith_runtime.load(artifact)
    margins = compiled.run({"data": classifier.rows}, margin=True)["margin"]
    expected = classifier.model.inplace_predict(classifier.rows, predict_type="margin")
    assert margins.tobytes() == expected.tobytes()
    predictions = compiled.run({"data": classifier.rows})["prediction"]
    np.testing.assert_allclose(predictions, classifier.model.inplace_predict(classifier.rows), rtol=1e-6)
    assert by_dlr(dlr_now, artifact, classifier.rows).tobytes() == predictions.tobytes()


def test_regression_through_dlr_is_bit_identical_to_xgboost(
    service: Service, tmp_path: Path, dlr_now: Path
) -> None:
    regressor = boosted(objective="reg:squarederror")
    uri = service.put("in/regressor.tar.gz", regressor.tarball)
    create(service, "regressor", uri)
    artifact = unpacked(service, service.await_status("regressor", "COMPLETED"), tmp_path)
    expected = regressor.model.inplace_predict(regressor.rows)
    assert by_dlr(dlr_now, artifact, regressor.rows).tobytes() == expected.tobytes()


def test_random_forest_for_the_host(service: Service, tmp_path: Path, dlr_now: Path) -> None:
    trained = forest()
    uri = service.put("in/forest.tar.gz", trained.tarball)
    create(service, "forest-host", uri, "SKLEARN", "LINUX/X86_64")
    artifact = unpacked(service, service.await_status("forest-host", "COMPLETED"), tmp_path)
    compiled = tinsmith_runtime.load(artifact)
    found = next(iter(compiled.run({"data": trained.rows}).values()))
    expected = trained.model.predict_proba(trained.rows)
    np.testing.assert_array_max_ulp(found, expected.astype(found.dtype), maxulp=1)
    np.testing.assert_array_max_ulp(
        by_dlr(dlr_now, artifact, trained.rows), expected.astype(np.float32), maxulp=1
    )


def test_raspberry_pi_is_verified_under_its_emulator(service: Service, model: str, tmp_path: Path) -> None:
    try:
        find_machine(devices()["rasp4b"])
    except NoMachine as reason:
        pytest.skip(str(reason))
    create(service, "pi", model, "XGBOOST", "rasp4b")
    job = service.await_status("pi", "COMPLETED")
    assert job.keys() == ENDED | ARTIFACT | {"DerivedInformation"}
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/model-rasp4b.tar.gz")
    artifact = unpacked(service, job, tmp_path)
    verification = json.loads(service.run("verify", str(artifact), "--json"))["verification"]
    assert verification["executed"]
    assert verification["method"].startswith("qemu")
    assert verification["margin"] == "bit-exact"


def test_data_input_config_given_is_not_derived(service: Service, model: str) -> None:
    request = service.request("configured", model)
    request["InputConfig"]["DataInputConfig"] = "{'data': [1, 6]}"
    service.client("sagemaker").create_compilation_job(**request)
    job = service.await_status("configured", "COMPLETED")
    assert job.keys() == ENDED | IMAGE | ARTIFACT
    assert job["InputConfig"] == request["InputConfig"]


def test_stop_of_a_running_job(service: Service, model: str) -> None:
    create(service, "stopped", model)
    until(service.compilers)
    with frozen(service):
        service.await_status("stopped", "INPROGRESS")
        service.client("sagemaker").stop_compilation_job(CompilationJobName="stopped")
        stopping = service.describe("stopped")
    stopped = service.await_status("stopped", "STOPPED")
    assert stopping.keys() == STARTED | IMAGE
    assert stopping["CompilationJobStatus"] == "STOPPING"
    assert stopping["LastModifiedTime"] >= stopping["CompilationStartTime"]
    assert stopped.keys() == ENDED | IMAGE
    assert stopped["LastModifiedTime"] == stopped["CompilationEndTime"]
    assert not service.attempts()
    assert not service.compilers()
    listed = service.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="compiled/stopped/")
    assert listed["KeyCount"] == 0


def test_stop_of_a_waiting_job(service: Service, model: str) -> None:
    create(service, "before-it", model)
    with frozen(service):
        create(service, "never-begun", model)
        service.client("sagemaker").stop_compilation_job(CompilationJobName="never-begun")
        stopped = service.await_status("never-begun", "STOPPED")
    assert stopped.keys() == ALWAYS | IMAGE | {"CompilationEndTime"}
    service.await_status("before-it", "COMPLETED")


def test_maximum_run_time(service: Service) -> None:
    uri = service.put("in/long.tar.gz", boosted(trees=300, depth=8).tarball)
    request = service.request("too-long", uri, "XGBOOST", "LINUX/X86_64")
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 1
    service.client("sagemaker").create_compilation_job(**request)
    job = service.await_status("too-long", "FAILED")
    assert job.keys() == ENDED | {"FailureReason"}
    assert job["FailureReason"] == (
        "ClientError: TimeOut: The job did not complete within MaxRuntimeInSeconds (1 s)."
    )
    assert not service.attempts()


def test_key_that_the_store_does_not_have(service: Service, model: str) -> None:
    """The embedded store has no keys: a request for one must never end in a plain object."""
    create(service, "encrypted", model, KmsKeyId="alias/nobody")
    job = service.await_status("encrypted", "FAILED")
    assert "KmsKeyId" in job["FailureReason"]
    listed = service.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="compiled/encrypted/")
    assert listed["KeyCount"] == 0


def test_logs(service: Service, model: str) -> None:
    create(service, "told", model)
    followed = service.run("logs", "--follow", "told")
    job = service.await_status("told", "COMPLETED")
    stages = ("attempt 1 begins", "downloading", "read", "emit", "build", "package", "verify", "wrote s3://")
    positions = [followed.index(f"  {stage}") for stage in stages]
    assert positions == sorted(positions)
    assert followed == service.logs("told")
    lines = [json.loads(line) for line in (service.data_dir / "logs" / "told.jsonl").read_text().splitlines()]
    assert all(line["attempt"] == 1 for line in lines)
    assert job["ModelArtifacts"]["S3ModelArtifacts"] in lines[-1]["line"]


def test_aws_cli(service: Service, classifier: Trained, tmp_path: Path) -> None:
    """The life of three jobs, typed in."""
    (tmp_path / "model.tar.gz").write_bytes(classifier.tarball)
    service.aws("s3", "cp", str(tmp_path / "model.tar.gz"), f"s3://{BUCKET}/cli/model.tar.gz")
    for number in range(3):
        service.aws(
            "sagemaker", "create-compilation-job", "--compilation-job-name", f"cli-{number}",
            "--role-arn", service.env["TINSMITH_ROLE_ARN"],
            "--input-config", f"S3Uri=s3://{BUCKET}/cli/model.tar.gz,Framework=XGBOOST",
            "--output-config", f"S3OutputLocation=s3://{BUCKET}/cli-out/,TargetDevice=ml_c4",
            "--stopping-condition", "MaxRuntimeInSeconds=900", "--tags", f"Key=number,Value={number}",
        )  # fmt: skip
    job = service.await_status("cli-0", "COMPLETED")
    service.aws("sagemaker", "stop-compilation-job", "--compilation-job-name", "cli-2")
    service.await_status("cli-1", "COMPLETED")
    service.await_status("cli-2", "STOPPED")

    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{BUCKET}/cli-out/model-ml_c4.tar.gz"
    service.aws("s3", "cp", uri, str(tmp_path / "artifact.tar.gz"))
    digest = hashlib.blake2b((tmp_path / "artifact.tar.gz").read_bytes()).hexdigest()
    assert digest == job["ModelDigests"]["ArtifactDigest"]

    assert _listed(service, "--page-size", "1") == ["cli-0", "cli-1", "cli-2"]
    assert _listed(service, "--max-items", "2", "--sort-order", "Descending") == ["cli-2", "cli-1"]
    assert _listed(service, "--status-equals", "STOPPED") == ["cli-2"]

    arn = job["CompilationJobArn"]
    service.aws("sagemaker", "add-tags", "--resource-arn", arn, "--tags", "Key=owner,Value=me")
    assert _tags(service, arn) == {"number": "0", "owner": "me"}
    service.aws("sagemaker", "delete-tags", "--resource-arn", arn, "--tag-keys", "number")
    assert _tags(service, arn) == {"owner": "me"}

    service.aws("sagemaker", "delete-compilation-job", "--compilation-job-name", "cli-0")
    assert _listed(service) == ["cli-1", "cli-2"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        service.describe("cli-0")


def _listed(service: Service, *options: str) -> list[str]:
    command = ("sagemaker", "list-compilation-jobs", "--name-contains", "cli-", "--sort-by", "CreationTime")
    reply = json.loads(service.aws(*command, *options))
    return [summary["CompilationJobName"] for summary in reply["CompilationJobSummaries"]]


def _tags(service: Service, arn: str) -> dict[str, str]:
    reply = json.loads(service.aws("sagemaker", "list-tags", "--resource-arn", arn))
    return {tag["Key"]: tag["Value"] for tag in reply["Tags"]}


def test_a_user_with_a_key_of_its_own(service: Service) -> None:
    service.run("iam", "create-user", "ann")
    service.run("iam", "attach", "user", "ann", "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")
    key = json.loads(service.run("iam", "create-access-key", "ann", "--json"))

    def client(name: str) -> Any:
        return boto3.session.Session().client(
            name,
            region_name="us-east-1",
            endpoint_url=service.env[f"AWS_ENDPOINT_URL_{name.upper()}"],
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )

    s3 = client("s3")

    def upload() -> str:
        try:
            s3.put_object(Bucket=BUCKET, Key="ann/model.tar.gz", Body=b"no archive")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "ok"

    until(lambda: upload() == "ok", 10)
    assert client("sts").get_caller_identity()["Arn"].endswith(":user/ann")
    request = service.request("ann-1", f"s3://{BUCKET}/ann/model.tar.gz")
    client("sagemaker").create_compilation_job(**request)
    reason = service.await_status("ann-1", "FAILED")["FailureReason"]
    assert "Unable to untar input model" in reason  # the job has read what the user has put there
    service.run("iam", "update-access-key", key["AccessKeyId"], "--inactive")
    until(lambda: upload() == "InvalidAccessKeyId", 10)


def test_paging_with_boto3(service: Service) -> None:
    client = service.client("sagemaker")
    whole = client.list_compilation_jobs(MaxResults=100)["CompilationJobSummaries"]
    pages = client.get_paginator("list_compilation_jobs").paginate(PaginationConfig={"PageSize": 2})
    paged = [summary for page in pages for summary in page["CompilationJobSummaries"]]
    assert paged == whole
    assert len({summary["CompilationJobName"] for summary in paged}) == len(paged) > 2


def test_a_running_job_cannot_be_deleted(service: Service, model: str) -> None:
    client = service.client("sagemaker")
    create(service, "kept", model)
    with frozen(service), pytest.raises(ClientError, match="ValidationException"):
        client.delete_compilation_job(CompilationJobName="kept")
    service.await_status("kept", "COMPLETED")
    client.delete_compilation_job(CompilationJobName="kept")
    create(service, "kept", model)
    service.await_status("kept", "COMPLETED")


def test_shell_that_evaluates_the_exports(service: Service) -> None:
    """`eval "$(tinsmith env)"` is all that a shell needs."""
    line = f'eval "$({sys.executable} -m tinsmith env --data-dir {service.data_dir})" && "$@"'
    aws = str(Path(sys.executable).with_name("aws"))
    for command in (("s3", "ls", f"s3://{BUCKET}/"), ("sagemaker", "list-compilation-jobs")):
        shell = ("sh", "-c", line, "sh", aws, *command)
        done = subprocess.run(
            shell, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_nothing_is_left_of_finished_jobs(service: Service) -> None:
    assert service.is_healthy()
    assert not service.attempts()
    assert not service.compilers()
    assert list((service.data_dir / "work").iterdir()) == []
