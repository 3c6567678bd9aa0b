"""`make bench`: makes the models, compiles them, measures all engines, writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import corpus_cost, report
from bench.models import SPECS, Spec

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".venv-bench" / "bin" / "python"
CACHE = ROOT / ".cache" / "bench"
OVER_100_000_NODES = {"M8", "L", "MC", "LOSSG", "RF", "ET", "nfl-xpass", "cfb-ep"}
TOO_BIG = {"lleaves": OVER_100_000_NODES | {"M"}, "tl2cgen": OVER_100_000_NODES}
"""Left out to bound the run time: these peers compile every node of a model to code."""


def main() -> None:
    """Everything, or the models named on the command line."""
    arguments = argparse.ArgumentParser(prog="python -m bench")
    arguments.add_argument("models", nargs="*", help="names from bench/models.py; default: all")
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    known = {spec.name: spec for spec in SPECS}
    specs = [known[name] for name in options.models or known]
    results: dict[str, Any] = {}
    for spec in specs:
        print(f"{spec.name}: {spec.title}", flush=True)
        train(spec)
        results[spec.name] = {"compile": compile_model(spec), **measure(spec, options.threads)}
        measured = [spec for spec in specs if spec.name in results]
        page = report.render(measured, results, facts(options.threads))
        kept = corpus_cost.kept_section(corpus_cost.PAGE.read_text())
        corpus_cost.PAGE.write_text(corpus_cost.with_section(page, kept) if kept else page)
    print(page)


def train(spec: Spec) -> None:
    """Make the model in the peers' environment."""
    corpus = os.environ.get("TINSMITH_CORPUS", str(ROOT / ".cache" / "corpus"))
    code = (
        "import sys; from pathlib import Path; from bench.models import SPECS, make;"
        f"make(next(s for s in SPECS if s.name == {spec.name!r}), Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    subprocess.run([PEERS, "-c", code, CACHE / spec.name, corpus], cwd=ROOT, check=True)


def compile_model(spec: Spec) -> dict[str, Any]:
    """Compile for any x86-64 Linux twice, and keep the second (warm) run's figures."""
    folder = CACHE / spec.name
    command = [str(ROOT / ".venv/bin/tinsmith"), "compile", str(folder / "model.tar.gz"), "--json"]
    command += ["--framework", spec.framework, "--platform", "LINUX/X86_64", "-o", str(folder / "out")]
    for _ in range(2):
        start = time.perf_counter()
        with (folder / "report.json").open("w") as output:
            process = subprocess.Popen(command, stdout=output, cwd=ROOT)
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"{spec.name}: {(folder / 'report.json').read_text()}")
    answer = json.loads((folder / "report.json").read_text())
    artifact = folder / "artifact.tar.gz"
    artifact.unlink(missing_ok=True)
    (folder / "out" / answer["artifact"]).rename(artifact)
    return {
        "seconds": seconds,
        "megabytes": usage.ru_maxrss / 1024,
        "bytes": artifact.stat().st_size,
        "report": answer,
    }


def measure(spec: Spec, threads: int) -> dict[str, Any]:
    """Run bench.measure in the peers' environment, on one CPU per thread."""
    skipped = ",".join(peer for peer, models in TOO_BIG.items() if spec.name in models)
    cpus = ",".join(str(cpu) for cpu in range(threads))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": f"{ROOT}:{ROOT}/runtime/src"}
    command = [
        "taskset",
        "-c",
        cpus,
        PEERS,
        "-W",
        "ignore",
        "-m",
        "bench.measure",
        CACHE / spec.name,
        str(threads),
    ]
    done = subprocess.run([*command, skipped], capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(f"{spec.name}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def facts(threads: int) -> dict[str, str]:
    """Machine and versions, for the head of the table."""
    code = (
        "import json, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in "
        "['xgboost-cpu','scikit-learn','onnxruntime','scikit-learn-intelex','tl2cgen','treelite','lleaves']}))"
    )
    versions = json.loads(
        subprocess.run([PEERS, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next(line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name"))
    return {
        "Machine": f"{cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "Threads": f"{threads}, pinned",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
