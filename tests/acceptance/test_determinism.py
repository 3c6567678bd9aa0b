"""One input, one artifact: whatever service, folder, clock zone, locale, user folder or umask compiled it."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.models import Trained, boosted, forest
from tests.acceptance.service import Service

pytestmark = pytest.mark.slow

TARGETS = {"XGBOOST": "LINUX/X86_64", "SKLEARN": "ml_c4"}
"""Several processors in one library, and one."""
FRAMEWORKS = list(TARGETS)
FOREIGN = {
    "TZ": "Pacific/Kiritimati",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "PYTHONHASHSEED": "4711",
    "SOURCE_DATE_EPOCH": "1",
    "CFLAGS": "-O0",
}


@pytest.fixture(scope="module")
def foreign_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in other surroundings."""
    folder = tmp_path_factory.mktemp("elsewhere-with-a-longer-name")
    (folder / "home").mkdir()
    environment = FOREIGN | {"HOME": str(folder / "home")}
    with Service(folder / "data", "--concurrency", "1", environment=environment, umask=0o077) as running:
        yield running


@pytest.fixture(scope="module")
def artifacts(service: Service) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Per framework a finished job and its artifact."""
    for framework in FRAMEWORKS:
        _create(service, f"first-{framework}", framework)
    jobs = {name: service.await_status(f"first-{name}", "COMPLETED") for name in FRAMEWORKS}
    return {name: (job, service.get(job["ModelArtifacts"]["S3ModelArtifacts"])) for name, job in jobs.items()}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_second_job_gives_the_same_bytes(
    service: Service, artifacts: dict[str, tuple[dict[str, Any], bytes]], framework: str
) -> None:
    _create(service, f"second-{framework}", framework)
    job = service.await_status(f"second-{framework}", "COMPLETED")
    first, content = artifacts[framework]
    assert job["ModelDigests"] == first["ModelDigests"]
    assert job["ModelArtifacts"] != first["ModelArtifacts"]
    assert service.get(job["ModelArtifacts"]["S3ModelArtifacts"]) == content


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_other_surroundings_give_the_same_digest(
    foreign_service: Service, artifacts: dict[str, tuple[dict[str, Any], bytes]], framework: str
) -> None:
    _create(foreign_service, f"there-{framework}", framework)
    job = foreign_service.await_status(f"there-{framework}", "COMPLETED")
    assert job["ModelDigests"] == artifacts[framework][0]["ModelDigests"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_command_line_gives_the_same_bytes(
    service: Service,
    artifacts: dict[str, tuple[dict[str, Any], bytes]],
    framework: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "model.tar.gz").write_bytes(_model(framework).tarball)
    target = TARGETS[framework]
    option = "--platform" if "/" in target else "--target"
    command = ("compile", str(tmp_path / "model.tar.gz"), "--framework", framework, option, target)
    service.run(*command, "-o", str(tmp_path / "out"))
    (written,) = (tmp_path / "out").iterdir()
    job, content = artifacts[framework]
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/" + written.name)
    assert written.read_bytes() == content
    assert hashlib.blake2b(content).hexdigest() == job["ModelDigests"]["ArtifactDigest"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_artifact_knows_no_time_no_user_and_no_place(
    service: Service, artifacts: dict[str, tuple[dict[str, Any], bytes]], framework: str
) -> None:
    content = artifacts[framework][1]
    flags, time = struct.unpack_from("<xxxBI", content)
    assert (flags, time) == (0, 0), "gzip: no name, no time"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}
    names = [member.name for member in members]
    assert len(set(names)) == len(names)
    unpacked = gzip.decompress(content)
    for place in (str(service.data_dir), "/tmp", "scratch", "tinsmith/compiler"):
        assert place.encode() not in unpacked


def _model(framework: str) -> Trained:
    return boosted(trees=20, depth=5) if framework == "XGBOOST" else forest()


def _create(service: Service, name: str, framework: str) -> None:
    uri = service.put(f"in/{name}/model.tar.gz", _model(framework).tarball)
    request = service.request(name, uri, framework, TARGETS[framework])
    service.client("sagemaker").create_compilation_job(**request)
