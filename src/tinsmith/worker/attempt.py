"""One attempt at one job, as a process of its own.

    python -m tinsmith.worker.attempt PARENT_PID        with an `AttemptOrder` as JSON on stdin

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

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tinsmith.errors import ClientError, InternalError, TinsmithError, failure_reason
from tinsmith.settings import InputLimits, S3Options, SandboxOptions
from tinsmith.spec.request import CompileRequest, TargetPlatform, WorkDirectory
from tinsmith.storage.archive import ArchiveLimits, extract
from tinsmith.storage.credentials import Credentials
from tinsmith.storage.s3 import ObjectStore
from tinsmith.storage.uri import ObjectLocation, parse_uri
from tinsmith.worker import artifact
from tinsmith.worker.folders import excess
from tinsmith.worker.logs import JobLog
from tinsmith.worker.processes import adopt_orphans, die_with_parent, kill_descendants
from tinsmith.worker.sandbox import Sandbox

INPUT, OUTPUT = "InputConfiguration", "OutputConfiguration"
MAX_FILE_NAME = 255  # bytes
LOOK_SECONDS = 1.0
LOST = 75
"""Exit code of an attempt whose compiler was killed from outside: worth another attempt."""


@dataclass(frozen=True)
class AttemptOrder:
    """Everything an attempt needs to know."""

    attempt: int
    request: dict[str, Any]
    """The CreateCompilationJob request."""
    folder: Path
    """Empty, absolute, of this attempt alone."""
    log: Path
    compiler: tuple[str, ...]
    """Command; the work directory is appended."""
    cpu_seconds: int
    limits: InputLimits
    sandbox: Sandbox
    allow_unverified: bool
    s3: S3Options = field(repr=False)

    def to_json(self) -> str:
        """This order as an attempt's stdin."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> AttemptOrder:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        options = fields["sandbox"].pop("options")
        options |= {"require": tuple(options["require"]), "read_only": _paths(options["read_only"])}
        sandbox = fields["sandbox"] | {"layers": tuple(fields["sandbox"]["layers"])}
        fields |= {
            "folder": Path(fields["folder"]),
            "log": Path(fields["log"]),
            "compiler": tuple(fields["compiler"]),
            "limits": InputLimits(**fields["limits"]),
            "sandbox": Sandbox(options=SandboxOptions(**options), **sandbox),
            "s3": S3Options(**fields["s3"]),
        }
        return AttemptOrder(**fields)


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended. Either `artifact_uri` and `digest` are set or `failure_reason` is."""

    attempt: int
    artifact_uri: str | None = None
    digest: str | None = None
    derived_data_input_config: str | None = None
    failure_reason: str | None = None

    def write(self, folder: Path) -> None:
        """Puts this into `folder`, whole or not at all, durably."""
        partial = folder / "result.json.new"
        with partial.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / "result.json")

    @staticmethod
    def read(folder: Path) -> AttemptResult | None:
        """The result in `folder`; None when there is none."""
        try:
            return AttemptResult(**json.loads((folder / "result.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None


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
    order = AttemptOrder.from_json(text)
    log = JobLog(order.log, order.attempt)
    try:
        result = run(order, log)
    except CompilerKilled as error:
        log.write(f"attempt {order.attempt} is lost: {error}")
        return LOST
    except TinsmithError as error:
        result = _failed(order, log, error)
    except Exception as error:
        log.write(traceback.format_exc())
        result = _failed(order, log, InternalError(f"{type(error).__name__}: {error}"))
    result.write(order.folder)
    return 0


def _failed(order: AttemptOrder, log: JobLog, error: TinsmithError) -> AttemptResult:
    log.write(f"failed: {error.family}: {error}")
    reason = failure_reason(error).encode(errors="replace").decode()
    return AttemptResult(order.attempt, failure_reason=reason)


def _end(number: int, _frame: FrameType | None) -> None:
    kill_descendants()
    os._exit(128 + number)  # without waiting for transfers in other threads


def run(order: AttemptOrder, log: JobLog) -> AttemptResult:
    """The attempt, start to end. Raises TinsmithError, CompilerKilled."""
    source, output = order.request["InputConfig"], order.request["OutputConfig"]
    location = parse_uri(source["S3Uri"], order.s3.endpoint_url, INPUT)
    limit = order.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    request = compile_request(source, output, location.key, order.allow_unverified, limit)
    destination = artifact_location(output["S3OutputLocation"], order.s3.endpoint_url, request.artifact_name)
    work = WorkDirectory(order.folder / "work")
    objects = _object_store(order.s3)
    _fetch(order, work, objects, log)
    work.request.write_text(request.to_json())
    code = _compile(order, work, log)
    report = artifact.read_report(work, code)
    for warning in report.warnings:
        log.write(f"warning: {warning}")
    if report.status == "FAILED":
        log.write(f"failed: {report.failure_reason}")
        return AttemptResult(order.attempt, failure_reason=report.failure_reason)
    tarball = order.folder / "artifact.tar.gz"
    digest = artifact.take(work, report, request.artifact_name, tarball)
    objects.upload(tarball, destination.uri, output.get("KmsKeyId"))
    log.write(f"wrote {destination.uri}")
    return AttemptResult(order.attempt, destination.uri, digest, report.derived_data_input_config)


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


def _fetch(order: AttemptOrder, work: WorkDirectory, objects: ObjectStore, log: JobLog) -> None:
    uri = order.request["InputConfig"]["S3Uri"]
    tarball = order.folder / "model.tar.gz"
    log.write(f"downloading {uri}")
    stored = objects.download(uri, tarball, order.limits.max_download)
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
    extract(tarball, work.input, budget)
    tarball.unlink()


def _compile(order: AttemptOrder, work: WorkDirectory, log: JobLog) -> int:
    """Runs the compiler to its end, its stderr into the log; the exit code."""
    order.sandbox.adopt(work.path)
    command = (*order.compiler, str(work.path))
    process = order.sandbox.start(
        command, work.path, environment(work), cpu_seconds=order.cpu_seconds, stdout=subprocess.PIPE
    )
    streams = (process.stdout, process.stderr)
    readers = [threading.Thread(target=_copy, args=(stream, log), daemon=True) for stream in streams]
    for reader in readers:
        reader.start()
    try:
        code = _await(process, order, work)
    finally:
        kill_descendants()
    for reader in readers:
        reader.join()
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise CompilerKilled("the compiler was killed by SIGKILL, perhaps for want of memory")
    return code


def _await(process: subprocess.Popen[bytes], order: AttemptOrder, work: WorkDirectory) -> int:
    options = order.sandbox.options
    while True:
        try:
            return process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if much := excess(work.path, options.max_folder, options.max_entries):
                raise InternalError(f"The compiler was ended, it wrote {much}.") from None


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
        # A cold cache costs the freestanding mode 0.03 s; a shared one would let jobs touch each other.
        "ZIG_GLOBAL_CACHE_DIR": f"{scratch}/zig",
        "ZIG_LOCAL_CACHE_DIR": f"{scratch}/zig",
    }


def _copy(stream: Any, log: JobLog) -> None:
    for line in stream:
        log.write(line.decode(errors="replace"))


def _object_store(options: S3Options) -> ObjectStore:
    credentials = None
    if options.access_key_id and options.secret_access_key:
        credentials = Credentials(options.access_key_id, options.secret_access_key, options.session_token)
    return ObjectStore(options.endpoint_url, options.region, credentials)


def _paths(texts: list[str]) -> tuple[Path, ...]:
    return tuple(map(Path, texts))


if __name__ == "__main__":
    sys.exit(main())
