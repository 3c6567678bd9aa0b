"""One attempt at one job, as a process of its own.

    python -m tinsmith.worker.attempt PARENT_PID        with its order and workplace as JSON on stdin

download -> extract -> compile in the sandbox -> check -> upload -> result.json

The S3 keys come by stdin and stay in this process: never in a file, an environment or an argument,
and so out of the sandbox. The process dies with the service. It leaves `result.json`, whole or not
at all, and only after the upload: a job can be COMPLETED only when its artifact is in place. An attempt
that is killed between the two is run again and uploads the same bytes to the same name.

    FOLDER/model.tar.gz     the input object
    FOLDER/artifact.tar.gz  the checked copy of what the compiler wrote
    FOLDER/result.json      AttemptResult
    FOLDER/work/            WorkDirectory, the only folder that the compiler can write
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from tinsmith.errors import ClientError, DiskFull, InternalError, TinsmithError, Unavailable, failure_reason
from tinsmith.settings import S3Options
from tinsmith.spec.request import CompileRequest, TargetPlatform, WorkDirectory
from tinsmith.storage.archive import ArchiveLimits, extract
from tinsmith.storage.credentials import Credentials
from tinsmith.storage.s3 import ObjectStore
from tinsmith.storage.uri import ObjectLocation, parse_uri
from tinsmith.worker import artifact
from tinsmith.worker.logs import JobLog
from tinsmith.worker.networks import enter
from tinsmith.worker.order import AttemptOrder, AttemptResult
from tinsmith.worker.processes import adopt_orphans, die_with_parent, kill_descendants
from tinsmith.worker.sandbox import Sandbox, read_lines
from tinsmith.worker.stages import COMPILE, Stages

INPUT, OUTPUT = "InputConfiguration", "OutputConfiguration"
MAX_FILE_NAME = 255  # bytes
LOOK_SECONDS = 1.0
RETRY_SECONDS = 2.0
COMPILER = (sys.executable, "-I", "-B", "-m", "tinsmith.compiler")
LOST = 75
"""Exit code of an attempt whose compiler was killed from outside: worth another attempt."""
NO_ROOM = 74
"""Exit code of an attempt that others left no room on the disk: the same."""
T = TypeVar("T")


@dataclass(frozen=True)
class Workplace:
    """What an attempt finds on the machine that runs it."""

    folder: Path
    """Empty, absolute, of this attempt alone."""
    sandbox: Sandbox

    def to_json(self) -> str:
        """This as text."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Workplace:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        return Workplace(Path(fields["folder"]), Sandbox.from_fields(fields["sandbox"]))


def cause_of(code: int) -> str:
    """What the exit code of an attempt without a result says."""
    if code == LOST:
        return "the compiler was killed"
    if code == NO_ROOM:
        return "there was no room left on the disk"
    return f"it was killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"


class CompilerKilled(Exception):
    """Something outside ended the compiler by SIGKILL; the message says what is known."""


def main() -> int:
    """Runs the attempt that stdin orders; the exit code is 0 once a result is written."""
    die_with_parent(int(sys.argv[1]))
    adopt_orphans()
    signal.signal(signal.SIGTERM, _end)
    text = sys.stdin.read()
    if not text:  # the service ended without having a job for this process
        return 0
    message = json.loads(text)
    order, place = AttemptOrder.from_json(message["order"]), Workplace.from_json(message["workplace"])
    result = concluded(order, place, JobLog(order.log, order.attempt))
    if isinstance(result, int):
        return result
    try:
        result.write(place.folder)
    except OSError as error:
        return _lost(order, JobLog(order.log, order.attempt), error, NO_ROOM)
    return 0


def concluded(
    order: AttemptOrder, place: Workplace, log: JobLog, before_upload: Callable[[], None] = lambda: None
) -> AttemptResult | int:
    """What became of the attempt; an exit code when it is lost and worth another one."""
    stages = Stages()
    try:
        return run(order, place, log, before_upload, stages)
    except CompilerKilled as error:
        return _lost(order, log, error, LOST)
    except DiskFull as error:
        return _lost(order, log, error, NO_ROOM)
    except TinsmithError as error:
        return _failed(order, log, error, stages)
    except Exception as error:
        log.write(traceback.format_exc())
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _lost(order, log, error, NO_ROOM)
        return _failed(order, log, InternalError(f"{type(error).__name__}: {error}"), stages)


def _lost(order: AttemptOrder, log: JobLog, error: Exception, code: int) -> int:
    log.write(f"attempt {order.attempt} is lost: {error}")
    return code


def _failed(order: AttemptOrder, log: JobLog, error: TinsmithError, stages: Stages) -> AttemptResult:
    log.write(f"failed: {error.family}: {error}")
    reason = failure_reason(error).encode(errors="replace").decode()
    return AttemptResult(order.attempt, failure_reason=reason, stages=tuple(stages.done))


def _end(number: int, _frame: FrameType | None) -> None:
    kill_descendants()
    os._exit(128 + number)  # without waiting for transfers in other threads


def run(
    order: AttemptOrder, place: Workplace, log: JobLog, before_upload: Callable[[], None], stages: Stages
) -> AttemptResult:
    """The attempt, start to end. Raises TinsmithError (DiskFull of it is no result), CompilerKilled."""
    source, output = order.request["InputConfig"], order.request["OutputConfig"]
    location = parse_uri(source["S3Uri"], order.s3.endpoint_url, INPUT)
    limit = order.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    request = compile_request(source, output, location.key, order.allow_unverified, limit)
    destination = artifact_location(output["S3OutputLocation"], order.s3.endpoint_url, request.artifact_name)
    work = WorkDirectory(place.folder / "work")
    if order.namespace is not None:
        enter(order.namespace)
    objects = _object_store(order.s3)
    _fetch(order, place, work, objects, log, stages)
    work.request.write_text(request.to_json())
    with stages(COMPILE):
        code = _compile(order, place.sandbox, work, log)
    report = artifact.read_report(work, code)
    stages.compiled(report.timings)
    for warning in report.warnings:
        log.write(f"warning: {warning}")
    if report.status == "FAILED":
        log.write(f"failed: {report.failure_reason}")
        return AttemptResult(order.attempt, failure_reason=report.failure_reason, stages=tuple(stages.done))
    tarball = place.folder / "artifact.tar.gz"
    with stages("take"):
        digest = artifact.take(work, report, request.artifact_name, tarball)
    before_upload()
    kms_key = output.get("KmsKeyId")
    with stages("upload"):
        _patiently(order, log, lambda: objects.upload(tarball, destination.uri, kms_key))
    log.write(f"wrote {destination.uri}")
    derived, done = report.derived_data_input_config, tuple(stages.done)
    return AttemptResult(order.attempt, destination.uri, digest, derived, stages=done)


def compile_request(
    source: Mapping[str, Any],
    output: Mapping[str, Any],
    key: str,
    allow_unverified: bool,
    max_runtime_seconds: int | None = None,
) -> CompileRequest:
    """What the compiler sees of InputConfig, whose object has `key`, and OutputConfig. Raises ClientError."""
    platform = output.get("TargetPlatform")
    request = CompileRequest(
        framework=source["Framework"],
        model_name=key.rpartition("/")[2].removesuffix(".tar.gz") or "model",
        device=output.get("TargetDevice"),
        platform=platform and TargetPlatform(platform["Os"], platform["Arch"], platform.get("Accelerator")),
        framework_version=source.get("FrameworkVersion"),
        data_input_config=source.get("DataInputConfig"),
        compiler_options=output.get("CompilerOptions"),
        allow_unverified=allow_unverified,
        max_runtime_seconds=max_runtime_seconds,
    )
    if len(request.artifact_name.encode()) > MAX_FILE_NAME:
        raise ClientError(INPUT, f"The name of the input object is too long: {request.model_name!r}.")
    return request


def artifact_location(output_location: str, endpoint_url: str | None, name: str) -> ObjectLocation:
    """`<S3OutputLocation>/<name>`, whether or not the location ends with a slash. Raises ClientError."""
    folder = parse_uri(output_location.removesuffix("/") + "/-", endpoint_url, OUTPUT)
    return ObjectLocation(folder.bucket, folder.key.removesuffix("-") + name)


def _fetch(
    order: AttemptOrder,
    place: Workplace,
    work: WorkDirectory,
    objects: ObjectStore,
    log: JobLog,
    stages: Stages,
) -> None:
    uri = order.request["InputConfig"]["S3Uri"]
    tarball = place.folder / "model.tar.gz"
    log.write(f"downloading {uri}")
    with stages("download"):
        stored = _patiently(order, log, lambda: objects.download(uri, tarball, order.limits.max_download))
    log.write(f"extracting {stored.size} bytes")
    limits = order.limits
    budget = ArchiveLimits(
        members=limits.max_members,
        total_bytes=limits.max_extracted,
        ratio=limits.max_ratio,
        ratio_floor=limits.ratio_floor,
    )
    for folder in (work.path, work.input, work.output, work.scratch):
        folder.mkdir()
    with stages("extract"):
        extract(tarball, work.input, budget)
    tarball.unlink()


def _patiently(order: AttemptOrder, log: JobLog, action: Callable[[], T]) -> T:
    """What `action` returns, tried again while the object store is away: all other jobs would fail, too."""
    deadline = time.monotonic() + order.s3.patience
    while True:
        try:
            return action()
        except Unavailable as error:
            if time.monotonic() >= deadline:
                raise
            log.write(f"trying again: {error}")
        time.sleep(RETRY_SECONDS)


def _compile(order: AttemptOrder, sandbox: Sandbox, work: WorkDirectory, log: JobLog) -> int:
    """Runs the compiler to its end, its stderr into the log; the exit code."""
    sandbox.adopt(work.path)
    command = (*(order.compiler or COMPILER), str(work.path))
    room = sandbox.room(work.path)
    process = sandbox.start(
        command, work.path, environment(work), cpu_seconds=order.cpu_seconds, stdout=subprocess.PIPE
    )
    streams = (process.stdout, process.stderr)
    readers = [threading.Thread(target=_copy, args=(stream, log), daemon=True) for stream in streams]
    for reader in readers:
        reader.start()
    try:
        code = _await(process, sandbox, work.path, room)
    finally:
        kill_descendants()
        starved = sandbox.out_of_memory()
        sandbox.finish(os.getpid())
    for reader in readers:
        reader.join()
    if starved and (code != 0 or not os.path.lexists(work.report)):  # the kernel may have spared its parent
        limit = sandbox.options.max_memory
        raise InternalError(f"The compiler was ended, it needed more than {limit} bytes of memory.")
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise CompilerKilled("the compiler was killed by SIGKILL, perhaps for want of memory")
    if code not in (0, ClientError.exit_code):
        sandbox.fills_disk(work.path, room)  # if others do, it may have failed because of them
    return code


def _await(process: subprocess.Popen[bytes], sandbox: Sandbox, folder: Path, room: int) -> int:
    while True:
        try:
            return process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if much := sandbox.excess(folder, room):
                raise InternalError(f"The compiler was ended, it took {much}.") from None


def environment(work: WorkDirectory) -> dict[str, str]:
    """All the environment variables that the compiler sees."""
    scratch = str(work.scratch)
    return {
        "HOME": scratch,
        "LANG": "C.UTF-8",
        # Evaluations of a network run side by side; threads inside each would only wait for one another.
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": scratch,
        "USER": "tinsmith",  # the user's number has no name, for which libraries ask
        # A cold cache costs the freestanding mode 0.03 s; a shared one would let jobs touch each other.
        "ZIG_GLOBAL_CACHE_DIR": f"{scratch}/zig",
        "ZIG_LOCAL_CACHE_DIR": f"{scratch}/zig",
    }


def _copy(stream: Any, log: JobLog) -> None:
    for line in read_lines(stream):
        log.write(line)


def _object_store(options: S3Options) -> ObjectStore:
    credentials = None
    if options.access_key_id and options.secret_access_key:
        credentials = Credentials(options.access_key_id, options.secret_access_key, options.session_token)
    return ObjectStore(options.endpoint_url, options.region, credentials, options.proxy)


if __name__ == "__main__":
    sys.exit(main())
