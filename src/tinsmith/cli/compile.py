"""`tinsmith compile`: one compilation without a service, through the same sandbox as a job."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tinsmith.cli.console import Json, print_json, say
from tinsmith.errors import ClientError, InternalError, TinsmithError, failure_reason
from tinsmith.spec.frameworks import FRAMEWORKS
from tinsmith.spec.request import CompileRequest, Report, TargetPlatform

INPUT = "InputConfiguration"
DUMP = "TINSMITH_DUMP"
"""A folder for what a network looks like after every pass of the compiler."""


def compile_model(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", exists=True, help="model.tar.gz, a bare model file or a folder."),
    ],
    framework: Annotated[str, typer.Option(help=f"One of {', '.join(FRAMEWORKS)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="Folder of the artifact.")],
    target: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="TargetDevice, as `tinsmith targets` lists them.")
    ] = None,
    platform: Annotated[
        str | None, typer.Option(metavar="OS/ARCH[/ACCELERATOR]", help="TargetPlatform, instead of --target.")
    ] = None,
    data_input_config: Annotated[
        str | None, typer.Option(metavar="JSON", help="Names and shapes of the inputs.")
    ] = None,
    framework_version: Annotated[str | None, typer.Option(metavar="VERSION")] = None,
    compiler_options: Annotated[str | None, typer.Option(metavar="JSON")] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Accept a target that nothing here can execute.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the log while it is written.")
    ] = False,
    json: Json = False,
) -> None:
    """Compile MODEL for one target and write <model>-<target>.tar.gz, the bytes that a job would write."""
    request = CompileRequest(
        framework=_framework(framework),
        model_name=_model_name(model),
        device=target,
        platform=_platform(target, platform),
        framework_version=framework_version,
        data_input_config=data_input_config,
        compiler_options=compiler_options,
        allow_unverified=allow_unverified,
    )
    log = Log(verbose)
    report = run(model, request, output, log)
    if json:
        print_json(asdict(report))
    elif report.status == "COMPLETED":
        _print_success(report, output)
    else:
        _print_failure(report, log)
    raise typer.Exit(report.exit_code if report.exit_code in (0, ClientError.exit_code) else 1)


class Log:
    """What the compiler says; shown at once where that is wanted."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        """One line."""
        self.lines.append(line)
        if self.shown:
            say(line)


def run(model: Path, request: CompileRequest, output: Path, log: Log) -> Report:
    """The compilation from end to end; whatever goes wrong is in the report."""
    from tinsmith.cli.sandboxed import run_sandboxed, work_directory
    from tinsmith.worker.artifact import take

    try:
        with work_directory() as work:
            _provide(model, work.input)
            work.request.write_text(request.to_json())
            dump = work.scratch / "dump"
            settings = {DUMP: str(dump)} if os.environ.get(DUMP) else {}
            report = run_sandboxed("tinsmith.compiler", work, log.write, settings)
            if settings:
                _keep_dump(dump, Path(os.environ[DUMP]))
            if report.status == "COMPLETED":
                checked = work.path.parent / request.artifact_name
                take(work, report, request.artifact_name, checked)
                output.mkdir(parents=True, exist_ok=True)
                _place(checked, output / request.artifact_name)
            return report
    except TinsmithError as error:
        return _failed(error)
    except OSError as error:  # a full disk, a folder that may not be written
        return _failed(InternalError(str(error)))


def _keep_dump(dump: Path, folder: Path) -> None:
    """Copies the plain files of `dump`, which the sandbox made, to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(dump.glob("*.txt")):
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(path, folder / path.name)


def _failed(error: TinsmithError) -> Report:
    return Report("FAILED", failure_reason=failure_reason(error), exit_code=error.exit_code)


def _provide(model: Path, destination: Path) -> None:
    """MODEL's files under `destination`: unpacked when it is an archive, else as they are."""
    from tinsmith.storage.archive import extract

    if model.is_dir():
        _copy_folder(model, destination)
    elif model.name.endswith((".tar.gz", ".tgz")) or _is_gzip(model):
        extract(model, destination)
    else:
        destination.mkdir()
        shutil.copyfile(model, destination / model.name)


def _copy_folder(source: Path, destination: Path) -> None:
    links = [path.relative_to(source) for path in source.rglob("*") if path.is_symlink()]
    if links:
        raise ClientError(
            INPUT, [f"{source / link} is a link; only files and folders are accepted." for link in links]
        )
    shutil.copytree(source, destination)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _place(partial: Path, destination: Path) -> None:
    """Whole or not at all under its name, though the folders may lie on different disks."""
    beside = destination.with_name(f".{destination.name}.{os.getpid()}")
    shutil.copyfile(partial, beside)
    beside.replace(destination)


def _framework(name: str) -> str:
    if name.upper() not in FRAMEWORKS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(FRAMEWORKS)}", param_hint="--framework")
    return name.upper()


def _platform(target: str | None, platform: str | None) -> TargetPlatform | None:
    if (target is None) == (platform is None):
        raise typer.BadParameter("give exactly one of --target and --platform")
    if platform is None:
        return None
    parts = platform.upper().split("/")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise typer.BadParameter(
            f"{platform!r} is not OS/ARCH or OS/ARCH/ACCELERATOR, such as LINUX/ARM64",
            param_hint="--platform",
        )
    return TargetPlatform(*parts)


def _model_name(model: Path) -> str:
    """What a job would call the object: the name without .tar.gz; of anything else the stem."""
    name = model.resolve().name
    for suffix in (".tar.gz", ".tgz"):
        if name.endswith(suffix):
            return name.removesuffix(suffix) or "model"
    return model.resolve().stem or "model"


def _print_success(report: Report, output: Path) -> None:
    assert report.artifact
    for warning in report.warnings:
        say(f"warning: {warning}")
    typer.echo(output / report.artifact)
    say(f"digest    {report.digest}")
    verification = report.verification or {}
    if verification.get("executed"):
        say(f"verified  {verification.get('method')}: {_agreement(verification)}")
    else:
        say(f"verified  no: {verification.get('reason', 'not executed')}")
    if report.timings:
        say("seconds   " + "  ".join(f"{stage} {seconds:.2f}" for stage, seconds in report.timings.items()))


def _agreement(verification: dict[str, Any]) -> str:
    """Of a tree model or of a network."""
    if "outputs" not in verification:
        rows = sum((verification.get("rows") or {}).values())
        return f"{rows} rows, margin {verification.get('margin')}"
    worst = max((output["max_relative_error"] for output in verification["outputs"]), default=0.0)
    runs = len(verification["runs"])
    return f"{runs} runs, largest error {worst:.2g} of the magnitude, against {verification['reference']}"


def _print_failure(report: Report, log: Log) -> None:
    """The reason in full: what the 1024 characters of a FailureReason cut off is the log's last line."""
    reason = report.failure_reason or "failed without a reason"
    if not log.lines or log.lines[-1][:500] != reason[:500]:
        log.write(reason)
    if not log.shown:
        for line in log.lines if report.exit_code == 1 else log.lines[-1:]:
            say(line)
