"""`tinsmith toolchain`: environments of frameworks, installed on demand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from tinsmith.cli.console import Json, print_json, print_table, say
from tinsmith.errors import InternalError
from tinsmith.spec.toolchains import READY, TOOLCHAINS, Toolchain

app = typer.Typer(help="Environments of frameworks, installed on demand.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(TOOLCHAINS)}.")]
Wheels = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Install from the wheels in DIR, which `download` filled, offline."),
]
Index = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A further package index, such as that of a framework's CPU builds."),
]


@app.command("list")
def list_toolchains(json: Json = False) -> None:
    """List what can be installed and what is."""
    rows = [
        {"name": one.name, "frameworks": one.frameworks, "purpose": one.purpose, "needed": one.needed}
        | {"installed": one.installed()}
        for one in TOOLCHAINS.values()
    ]
    if json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "frameworks", "purpose", "installed", box=None, header_style="bold")
    for one in TOOLCHAINS.values():
        versions = one.installed()
        state = _main_version(one, versions) if versions is not None else "no"
        table.add_row(one.name, " ".join(one.frameworks), one.purpose, state)
    print_table(table)


@app.command()
def install(name: Name, wheels: Wheels = None, extra_index_url: Index = None) -> None:
    """Install NAME in the versions that this version of Tinsmith was tested with."""
    toolchain = _known(name)
    if toolchain.installed() is not None:
        say(f"{name} is installed in {toolchain.folder}")
        return
    remove(name)
    toolchain.folder.parent.mkdir(parents=True, exist_ok=True)
    _do([sys.executable, "-m", "venv", str(toolchain.folder)], f"no environment in {toolchain.folder}")
    source = ["--no-index", "--find-links", str(wheels)] if wheels else _index(extra_index_url)
    pip = [
        str(toolchain.python),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
    ]
    _do([*pip, *source, "--requirement", str(toolchain.lock)], f"{name} was not installed")
    ready = {"lock": toolchain.lock.read_text(), "versions": _versions(toolchain)}
    (toolchain.folder / READY).write_text(json.dumps(ready))
    say(f"{name} is installed in {toolchain.folder}")


@app.command()
def download(
    name: Name,
    wheels: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the wheels.")],
    extra_index_url: Index = None,
) -> None:
    """Fetch the wheels of NAME, for machines without a network."""
    toolchain = _known(name)
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    arguments = ["--dest", str(wheels), "--requirement", str(toolchain.lock)]
    _do([*pip, *_index(extra_index_url), *arguments], f"{name} was not downloaded")


@app.command()
def remove(name: Name) -> None:
    """Remove the environment of NAME."""
    folder = _known(name).folder
    (folder / READY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _known(name: str) -> Toolchain:
    if name not in TOOLCHAINS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(TOOLCHAINS)}")
    return TOOLCHAINS[name]


def _index(url: str | None) -> list[str]:
    return ["--extra-index-url", url] if url else []


def _do(command: list[str], otherwise: str) -> None:
    """Runs `command`; its output is shown. Raises InternalError with `otherwise`."""
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise InternalError(f"toolchain: {otherwise}: `{' '.join(command)}` ended with {done.returncode}")


def _versions(toolchain: Toolchain) -> dict[str, str]:
    command = [str(toolchain.python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {one["name"]: one["version"] for one in listed}


def _main_version(toolchain: Toolchain, versions: dict[str, str]) -> str:
    first = toolchain.lock.read_text().splitlines()
    name = next(line for line in first if line and not line.startswith("#")).partition("==")[0]
    return f"{name} {versions.get(name, '?')}"
