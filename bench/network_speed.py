"""Times compiled networks beside ONNX Runtime and prints a table: `python -m bench.network_speed [NAME ...]`.

One process, the engines taking turns; every figure is the median of nine rounds, each the mean of enough
calls to fill 50 ms. Both are called through their Python interfaces, with as many threads as asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx

from bench.networks import NETWORKS, inputs, save

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench-networks"
ROUNDS = 9
FILL = 0.05  # seconds
COLUMNS = ["network", "ONNX Runtime ms", "ours ms", "time ratio", "difference", "compile s", "artifact MB"]

Call = Callable[[], Any]


def main() -> None:
    """The table."""
    arguments = argparse.ArgumentParser(prog="python -m bench.network_speed")
    arguments.add_argument("names", nargs="*", default=list(NETWORKS))
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--isa", default="", help="avx2: hold ours to AVX2")
    options = arguments.parse_args()
    os.environ["TINSMITH_ISA"] = options.isa
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for name in options.names:
        print(row(name, options.threads), flush=True)


def row(name: str, threads: int) -> str:
    """One network."""
    folder = CACHE / name
    if not (folder / "model.onnx").exists():
        save(name, folder)
    artifact, seconds = compiled(folder)
    model = onnx.load(folder / "model.onnx")
    fed = inputs(model)
    ours, theirs = tinsmith(artifact, fed, threads), onnxruntime(folder / "model.onnx", fed, threads)
    pairs = zip(ours().values(), theirs(), strict=True)
    difference = max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in pairs)
    a, b = interleaved(theirs, ours)
    times = [f"{a * 1e3:.3f}", f"{b * 1e3:.3f}", f"{b / a:.2f}"]
    size = artifact.stat().st_size / 1e6
    return f"| {' | '.join([name, *times, f'{difference:.1e}', f'{seconds:.1f}', f'{size:.1f}'])} |"


def compiled(folder: Path) -> tuple[Path, float]:
    """The artifact for any x86-64 Linux, and what compiling took, verification included."""
    artifact, seconds = folder / "model-LINUX_X86_64.tar.gz", folder / "seconds.json"
    if not seconds.exists():
        with tarfile.open(folder / "model.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(folder / "model.onnx", "model.onnx")
        command = [Path(sys.executable).with_name("tinsmith"), "compile", folder / "model.tar.gz"]
        started = time.perf_counter()
        subprocess.run(
            [*command, "--framework", "ONNX", "--platform", "LINUX/X86_64", "-o", folder], check=True
        )
        seconds.write_text(json.dumps(time.perf_counter() - started))
    return artifact, float(json.loads(seconds.read_text()))


def tinsmith(artifact: Path, fed: dict[str, np.ndarray], threads: int) -> Callable[[], dict[str, Any]]:
    """Our library through the runtime's public interface."""
    import tinsmith_runtime

    model = tinsmith_runtime.load(artifact, threads=threads)
    return lambda: model.run(fed)


def onnxruntime(path: Path, fed: dict[str, np.ndarray], threads: int) -> Callable[[], list[Any]]:
    """Pad_Fusion gives wrong results for padded maximum pooling of negative values: it is off."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, disabled_optimizers=["Pad_Fusion"])
    return lambda: list(session.run(None, fed))


def interleaved(first: Call, second: Call) -> tuple[float, float]:
    """Median seconds per call of each."""
    samples: dict[Call, list[float]] = {first: [], second: []}
    repeats = {call: max(1, int(FILL / timed(call, 2))) for call in samples}
    for _ in range(ROUNDS):
        for call, found in samples.items():
            found.append(timed(call, repeats[call]))
    return median(samples[first]), median(samples[second])


def timed(call: Call, count: int) -> float:
    """Mean seconds."""
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count


if __name__ == "__main__":
    main()
