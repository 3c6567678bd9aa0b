from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tinsmith.cli.endpoints import Endpoints
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import Store
from tinsmith.settings import Settings
from tinsmith.worker.logs import JobLog

if TYPE_CHECKING:
    from tests.cli.conftest import Service, Tinsmith


@pytest.fixture(scope="module")
def failed(service: Service) -> str:
    """A job that ended quickly."""
    sagemaker = service.client("sagemaker")
    sagemaker.create_compilation_job(
        CompilationJobName="missing-input",
        RoleArn=service.exports["TINSMITH_ROLE_ARN"],
        InputConfig={"S3Uri": "s3://tinsmith/none.tar.gz", "Framework": "XGBOOST"},
        OutputConfig={"S3OutputLocation": "s3://tinsmith/out", "TargetDevice": "ml_c5"},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    while (
        sagemaker.describe_compilation_job(CompilationJobName="missing-input")["CompilationJobStatus"]
        != "FAILED"
    ):
        time.sleep(0.1)
    return "missing-input"


def test_ls_as_a_table_and_as_json(service: Service, tinsmith: Tinsmith, failed: str) -> None:
    reason = "ClientError: InputConfiguration: S3 object does not exist. Bucket: tinsmith, Key: none.tar.gz"
    table = tinsmith("ls", "--data-dir", service.data_dir)
    assert table.code == 0
    assert failed in table.output
    assert reason in table.output
    (job,) = tinsmith("ls", "--data-dir", service.data_dir, "--json").json()
    assert (job["name"], job["status"], job["failure_reason"]) == (failed, "FAILED", reason)


def test_logs_of_a_finished_job(service: Service, tinsmith: Tinsmith, failed: str) -> None:
    plain = tinsmith("logs", failed, "--data-dir", service.data_dir)
    assert plain.code == 0
    assert "S3 object does not exist" in plain.output
    followed = tinsmith("logs", failed, "-f", "--data-dir", service.data_dir)
    assert followed.output == plain.output


@pytest.mark.parametrize("name", ["nobody", "../endpoints", "a/b"])
def test_logs_of_an_unknown_job(service: Service, tinsmith: Tinsmith, name: str) -> None:
    outcome = tinsmith("logs", name, "--data-dir", service.data_dir)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"There is no job '{name}'" in outcome.errors


def test_logs_follow_until_the_job_has_ended(tmp_path: Path) -> None:
    """Without a service: the test moves the job on in the store itself."""
    settings = Settings.under(tmp_path)
    Endpoints(0, "", "", False, "000000000000", "us-east-1").write(settings)
    store = Store.open(settings.database_url)
    now = time.time()
    key = JobKey("000000000000", "us-east-1", "slow")
    request = {"StoppingCondition": {"MaxRuntimeInSeconds": 60}}
    store.add(Job(key, "arn:slow", request, Status.STARTING, 1, 0, now, now), {})
    job = store.claim("the test", 60, now)
    assert job
    log = JobLog(settings.logs_dir / "slow.jsonl", 1)
    log.write("first")
    command = [sys.executable, "-m", "tinsmith", "logs", "slow", "-f", "--data-dir", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout
        assert json.loads(follower.stdout.readline())["line"] == "first"
        log.write("second\nthird")
        assert json.loads(follower.stdout.readline())["line"] == "second"
        assert follower.poll() is None
        log.write("last")
        store.fail(key, job.attempt, time.time(), "ClientError: x: y")
        rest = [json.loads(line)["line"] for line in follower.stdout]
    assert rest == ["third", "last"]
    assert follower.returncode == 0
    log.close()
    store.close()


def test_ls_of_an_unknown_folder_makes_nothing(tinsmith: Tinsmith, tmp_path: Path) -> None:
    outcome = tinsmith("ls", "--data-dir", tmp_path / "nothing")
    assert outcome.code == 1
    assert not (tmp_path / "nothing").exists()
