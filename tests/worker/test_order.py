from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.settings import InputLimits, S3Options, SandboxOptions
from tinsmith.worker.order import AttemptOrder, AttemptResult, attempt_name

SOURCE = {"S3Uri": "s3://bucket/in/model.tar.gz", "Framework": "XGBOOST"}
DEVICE = {"S3OutputLocation": "s3://bucket/out", "TargetDevice": "rasp4b"}


def test_no_two_attempts_have_one_name() -> None:
    job = Job(JobKey("1", "us-east-1", "job"), "arn", {}, Status.INPROGRESS, 1, 2, 10.5, 10.5)
    others = [
        replace(job, attempt=3),
        replace(job, creation_time=11.5),
        *(
            replace(job, key=key)
            for key in (JobKey("2", "us-east-1", "job"), JobKey("1", "eu-west-1", "job"))
        ),
    ]
    assert len({attempt_name(each) for each in (job, *others)}) == 1 + len(others)
    assert attempt_name(job, 3) == attempt_name(others[0])
    assert attempt_name(job).startswith("job-")
    assert attempt_name(job).endswith("-2")


def test_an_order_survives_the_pipe_and_hides_its_keys(tmp_path: Path) -> None:
    options = SandboxOptions(read_only=(tmp_path,), require=("seccomp",))
    order = AttemptOrder(
        name="job-00-3",
        attempt=3,
        request={"InputConfig": SOURCE, "OutputConfig": DEVICE},
        log=tmp_path / "log",
        compiler=("compiler", "--flag"),
        cpu_seconds=10,
        limits=InputLimits(max_members=7),
        sandbox=options,
        allow_unverified=True,
        s3=S3Options("http://host", "eu-west-1", "key", "SECRET"),
    )
    assert AttemptOrder.from_json(order.to_json()) == order
    assert "SECRET" not in repr(order)


def test_a_result_is_written_whole_and_read_back(tmp_path: Path) -> None:
    assert AttemptResult.read(tmp_path) is None
    result = AttemptResult(2, artifact_uri="s3://b/k", digest="00", derived_data_input_config="{}")
    result.write(tmp_path)
    assert AttemptResult.read(tmp_path) == result
    replace(result, attempt=3).write(tmp_path)
    assert AttemptResult.read(tmp_path) == replace(result, attempt=3)
    stages = (("download", 1.0, 2.5),)
    replace(result, stages=stages).write(tmp_path)
    back = AttemptResult.read(tmp_path)
    assert back is not None
    assert back.stages == stages
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"odd": 1}'])
def test_a_broken_result_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    assert AttemptResult.read(tmp_path) is None
