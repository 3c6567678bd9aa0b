"""Compiles a network for the benchmark: as a job does, or quickly for this processor alone and unverified.

Artifacts lie unpacked under a name made from the model, the compiler's sources and the mode, so one that was
compiled by other sources is never taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("src/tinsmith", "runtime/src/tinsmith_runtime")
KEPT = ("compiled.so", "manifest")
FACTS = "facts.json"


def compiled(model: Path, mode: str) -> tuple[Path, dict[str, Any]]:
    """The folder of the artifact of the ONNX file `model`, and the facts of its compilation.

    `mode`: "job" for all variants of x86-64, verified; or "quick", or "quick-avx2". The facts: "digest",
    "seconds" in all, "stages" in seconds, "code bytes", and for a job "peak bytes" and "packed bytes".
    """
    digest = artifact_digest(model, mode)
    folder = model.parent / f"{mode}-{digest}"
    if not (folder / FACTS).exists():
        for old in model.parent.glob(f"{mode}-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        facts = _job(model, folder) if mode == "job" else _quick(model, folder, mode.endswith("-avx2"))
        facts |= {"digest": digest, "code bytes": _code_bytes(folder / "compiled.so")}
        (folder / FACTS).write_text(json.dumps(facts))
    facts = json.loads((folder / FACTS).read_text())
    return folder, facts


def artifact_digest(model: Path, mode: str) -> str:
    """Of all that decides what the artifact holds."""
    with model.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(f"{content} {sources_digest()} {mode}".encode()).hexdigest()[:16]


@cache
def sources_digest() -> str:
    """Of all that decides what the compiler writes."""
    found = hashlib.sha256()
    for path in sorted(path for top in SOURCES for path in (ROOT / top).rglob("*") if path.is_file()):
        if path.suffix != ".pyc":
            found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def _job(model: Path, folder: Path) -> dict[str, Any]:
    """`tinsmith compile`, sandbox and verification included."""
    command = [str(Path(sys.executable).with_name("tinsmith")), "compile", str(model), "--json"]
    command += ["--framework", "ONNX", "--platform", "LINUX/X86_64", "-o", str(folder)]
    command += ["--data-input-config", _input_config(model)]
    started = time.perf_counter()
    with (folder / "report.json").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    report = json.loads((folder / "report.json").read_text() or "{}")
    if status:
        raise SystemExit(f"{model}: {report.get('failure_reason', 'not compiled')}")
    packed = folder / report["artifact"]
    size = packed.stat().st_size
    with tarfile.open(packed) as archive:
        for name in KEPT:
            archive.extract(name, folder, filter="data")
    packed.unlink()
    return {
        "seconds": seconds,
        "stages": report["timings"],
        "peak bytes": usage.ru_maxrss * 1024,
        "packed bytes": size,
    }


def _quick(model: Path, folder: Path, avx2: bool) -> dict[str, Any]:
    """Read, emit and build in this process, for one processor; nothing is executed."""
    from tinsmith.compiler import frontends
    from tinsmith.compiler.backends.native.build import build
    from tinsmith.compiler.backends.native.emit import emit
    from tinsmith.compiler.verify.cpu import host_variants
    from tinsmith.spec.request import CompileRequest, TargetPlatform
    from tinsmith.spec.targets import find
    from tinsmith_runtime.manifest import Manifest, Target, Tensor

    platform = TargetPlatform("LINUX", "X86_64")
    request = CompileRequest(
        framework="ONNX",
        model_name="model",
        device=None,
        platform=platform,
        data_input_config=_input_config(model),
    )
    generic = find(request)
    best = len(host_variants()) - 1
    target = replace(generic, cpu=generic.variants[min(best, 1) if avx2 else best], variants=())
    stages: dict[str, float] = {}
    with TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        (scratch / "input").mkdir()
        os.link(model, scratch / "input" / "model.onnx")
        with _timed(stages, "read"):
            network = frontends.load("ONNX")(scratch / "input", request)
        (scratch / "program").mkdir()
        with _timed(stages, "emit"):
            program = emit(network, target, scratch / "program")
        with _timed(stages, "build"):
            build(program, target, folder / "compiled.so")
        shutil.copytree(program.directory, folder / "program", ignore=shutil.ignore_patterns("*.bin"))
    manifest = Manifest(
        name="model",
        framework="ONNX",
        producer="",
        kind="",
        inputs=tuple(Tensor(spec.name, spec.dtype, spec.shape) for spec in network.inputs),
        outputs=program.outputs,
        margin=None,
        target=Target(target.name, target.triple, target.cpu),
        library="compiled.so",
        compiler="",
        toolchain="",
        model_digest="",
    )
    (folder / "manifest").write_text(manifest.to_json())
    return {"seconds": sum(stages.values()), "stages": stages}


def _code_bytes(library: Path) -> int:
    """What an x86-64 library would map for execution."""
    content = library.read_bytes()
    start, size, count = (*struct.unpack_from("<Q", content, 32), *struct.unpack_from("<HH", content, 54))
    segments = (struct.unpack_from("<IIQQQQQQ", content, start + size * number) for number in range(count))
    return sum(segment[5] for segment in segments if segment[0] == 1 and segment[1] & 1)


def _input_config(model: Path) -> str:
    """DataInputConfig: the shapes of the inputs beside the model."""
    with np.load(model.with_name("inputs.npz")) as fed:
        return json.dumps({name: list(fed[name].shape) for name in fed.files})


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stages[name] = round(time.perf_counter() - started, 2)
