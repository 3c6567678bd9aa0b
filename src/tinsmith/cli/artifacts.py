"""`tinsmith inspect` and `tinsmith verify`: finished artifacts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinsmith.cli.console import Json, print_json
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


def _print_inspection(inspection: Inspection) -> None:
    from rich.console import Console
    from rich.table import Table

    manifest = inspection.manifest
    table = Table(box=None, show_header=False, pad_edge=False)
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
            table.add_row(name, value)
    for name, size in inspection.files.items():
        table.add_row("file", f"{name}  {size} bytes")
    Console(soft_wrap=True, markup=False, highlight=False).print(table)


def _tensor(tensor: Tensor) -> str:
    return f"{tensor.name}: {tensor.dtype}{list(tensor.shape)}"


def _refuse_changes(artifact: Path, inspection: Inspection) -> None:
    if inspection.changed:
        raise ClientError(
            "InputConfiguration",
            [f"{artifact.name}: {name} is not what the manifest says." for name in inspection.changed],
        )
