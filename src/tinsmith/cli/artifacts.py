"""`tinsmith inspect` and `tinsmith verify`: finished artifacts."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinsmith.cli.console import Json, print_json, say
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tinsmith.compiler.artifact.inspect import Inspection
    from tinsmith_runtime.manifest import Tensor

Artifact = Annotated[
    Path, typer.Argument(metavar="ARTIFACT", exists=True, dir_okay=False, help="A <model>-<target>.tar.gz.")
]


def inspect(artifact: Artifact, json: Json = False) -> None:
    """Print what an artifact says about itself, without executing it; exit code 3 when a file was changed."""
    from tinsmith.compiler.artifact.inspect import inspect as read

    inspection = read(artifact)
    if json:
        print_json(asdict(inspection))
    else:
        _print_inspection(inspection)
    _refuse_changes(artifact, inspection)


def verify(artifact: Artifact, json: Json = False) -> None:
    """Execute an artifact, sandboxed, on the evidence inside it, natively or under an emulator."""
    from tinsmith.cli.sandboxed import run_sandboxed, work_directory

    with work_directory() as work:
        work.input.mkdir()
        shutil.copyfile(artifact, work.input / artifact.name)
        report = run_sandboxed("tinsmith.cli.reverify", work, _ignore)
    if json:
        fields = ("status", "failure_reason", "verification")
        print_json({name: getattr(report, name) for name in fields})
    elif report.verification is None:
        say(report.failure_reason or "failed without a reason")
    else:
        for name, value in report.verification.items():
            if value not in (None, [], {}):
                typer.echo(f"{name:24} {value}")
    raise typer.Exit(report.exit_code)


def _ignore(_line: str) -> None:
    """The report has all that matters."""


def _print_inspection(inspection: Inspection) -> None:
    manifest = inspection.manifest
    for name, value in (
        ("model", f"{manifest.name}: {manifest.kind} by {manifest.producer} ({manifest.framework})"),
        ("inputs", "  ".join(_tensor(tensor) for tensor in manifest.inputs)),
        ("outputs", "  ".join(_tensor(tensor) for tensor in manifest.outputs)),
        ("target", f"{manifest.target.name}: {manifest.target.cpu}, {manifest.target.triple}"),
        ("made by", f"{manifest.compiler}, {manifest.toolchain}"),
        ("classes", " ".join(manifest.class_labels)),
        ("options", " ".join(f"{name}={value}" for name, value in manifest.options.items())),
        ("digest", inspection.digest),
    ):
        if value:
            typer.echo(f"{name:8} {value}")
    for name, size in inspection.files.items():
        typer.echo(f"file     {name}  {size} bytes")


def _tensor(tensor: Tensor) -> str:
    return f"{tensor.name}: {tensor.dtype}{list(tensor.shape)}"


def _refuse_changes(artifact: Path, inspection: Inspection) -> None:
    if inspection.changed:
        raise ClientError(
            "InputConfiguration",
            [f"{artifact.name}: {name} is not what the manifest says." for name in inspection.changed],
        )
