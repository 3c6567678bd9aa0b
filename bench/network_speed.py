"""Times networks side by side: `python -m bench.network_speed [NAME ...]`.

    python -m bench.network_speed minilm-s128 --quick --engines onnxruntime --threads 1

times what the compiler makes of one network now, in seconds: `--quick` compiles for this processor alone and
verifies nothing. Without it artifacts are compiled as a job does. Artifacts are kept, and made again when the
compiler's sources change. One thread is timed by the CPU time of its process, several by wall time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bench.network_compile import ROOT, compiled
from bench.network_engines import ENGINES
from bench.network_rounds import contest
from bench.networks import NETWORKS, inputs, save

CACHE = ROOT / ".cache" / "bench-networks"
WRONG = 1e-3
"""A difference from ONNX Runtime, as a part of the largest element, that voids a time."""


def main() -> None:
    """The table."""
    options = _options()
    for name in options.names:
        for batch in options.batch:
            for threads in options.threads:
                show(name, batch, threads, row(name, batch, threads, options))


def _options() -> argparse.Namespace:
    known = list(ENGINES)
    parser = argparse.ArgumentParser(prog="python -m bench.network_speed")
    parser.add_argument("names", nargs="*", default=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--engines", type=_names, default=["onnxruntime", "openvino"], help=", ".join(known))
    parser.add_argument("--threads", type=_numbers, default=[1], help="1,2")
    parser.add_argument("--batch", type=_numbers, default=[1], help="1,8")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="ours compiled for this processor, unverified")
    options = parser.parse_args()
    for given, allowed in ((options.names, NETWORKS), (options.engines, known)):
        if unknown := [name for name in given if name not in allowed]:
            parser.error(f"unknown: {', '.join(unknown)}; expected some of {', '.join(allowed)}")
    options.engines = list(dict.fromkeys(["tinsmith", *options.engines]))
    return options


def _names(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def row(name: str, batch: int, threads: int, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What was measured of every engine."""
    home = CACHE / f"{name}-b{batch}"
    model = home / "model.onnx"
    if not model.exists():
        save(name, home, batch)
        np.savez(home / "inputs.npz", **inputs(onnx.load(model)))
    folders: dict[str, Path] = {}
    for engine in options.engines:
        folders[engine] = home / engine
        folders[engine].mkdir(exist_ok=True)
        for file in (model, home / "inputs.npz"):
            _link(folders[engine] / file.name, file)
        if engine.startswith("tinsmith"):
            mode = "quick" if options.quick else "job"
            mode += "-avx2" if options.quick and engine.endswith("avx2") else ""
            artifact, facts = compiled(model, mode)
            _link(folders[engine] / "artifact", artifact)
            print(f"    {engine}: {mode}, {_stages(facts)}", flush=True)
    records = contest(folders, threads, options.rounds)
    for engine, record in records.items():
        if "failure" not in record:
            record["difference"] = difference(folders[engine], engine, folders, records)
    return records


def _link(link: Path, to: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(to)


def _stages(facts: dict[str, Any]) -> str:
    return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in facts["stages"].items())


def difference(
    folder: Path, engine: str, folders: dict[str, Path], records: dict[str, dict[str, Any]]
) -> float:
    """The largest, over all outputs, between an engine and ONNX Runtime (or ours), relative to the largest element."""
    judge = "onnxruntime" if "failure" not in records.get("onnxruntime", {"failure": ""}) else "tinsmith"
    with np.load(folder / f"{engine}.npz") as found, np.load(folders[judge] / f"{judge}.npz") as wanted:
        if [found[key].shape for key in found.files] != [wanted[key].shape for key in wanted.files]:
            return float("inf")
        return max(_apart(found[key], wanted[key]) for key in wanted.files)


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    if a.size == 0:
        return 0.0
    worst = float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
    return worst if np.isfinite(worst) else float("inf")


def show(name: str, batch: int, threads: int, records: dict[str, dict[str, Any]]) -> None:
    """One line for every engine."""
    clock = "cpu" if threads == 1 else "wall"
    print(f"{name}, batch {batch}, {threads} thread{'s' if threads > 1 else ''}, {clock} time:")
    for engine, record in records.items():
        title = f"    {ENGINES[engine].title:<16}"
        if "failure" in record:
            print(f"{title} {record['failure']}")
            continue
        ratio = records["tinsmith"].get(clock, float("nan")) / record[clock]
        print(
            f"{title} {record[clock] * 1e3:9.3f} ms  ours/this {ratio:5.2f}"
            f"  wall/cpu {record['wall'] / record['cpu']:.2f}  difference {record['difference']:.1e}"
            f"  {record['peak bytes'] / 1e6:5.0f} MB  load {record['load'] * 1e3:.0f} ms"
            f"  first {record['first'] * 1e3:.1f} ms  ({record['way']})"
            + ("  WRONG" if record["difference"] > WRONG else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
