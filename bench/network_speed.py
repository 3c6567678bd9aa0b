"""Times networks side by side: `python -m bench.network_speed [NAME ...]`.

    python -m bench.network_speed minilm-s128 --quick --engines onnxruntime --threads 1

times what the compiler makes of one network now, in seconds: `--quick` compiles for this processor alone and
verifies nothing. Without it artifacts are compiled as a job does. Artifacts are kept, and made again when the
compiler's sources change. One thread is timed by the CPU time of its process, several by wall time.

`--page` writes docs/benchmarks-networks.md from all rows that tell of the present sources and machine, so the
page can be made in pieces; `--resume` leaves out what is measured already.
"""

from __future__ import annotations

import argparse

from bench.network_engines import ENGINES
from bench.network_report import PAGE, WRONG, clock, page
from bench.network_rounds import PYTHON
from bench.network_rows import Record, Task, known, measure
from bench.networks import BATCHED, BUILT, NETWORKS, PUBLIC
from tinsmith.compiler.verify.cpu import host_variants


def main() -> None:
    """Measures, prints, and writes the page where that is asked for."""
    options = _options()
    if not PYTHON.exists():
        raise SystemExit("The peers are not installed: run sh bench/setup.sh networks.")
    for threads in options.threads:
        for batch in options.batch:
            for name in options.names:
                if batch == 1 or name in BUILT:
                    _row(Task(name, batch, threads, options.quick), options)
    if options.page:
        PAGE.write_text(page(_rows()))


def _options() -> argparse.Namespace:
    engines = list(ENGINES)
    useful = [name for name in engines if host_variants()[-1] != "avx2" or not name.endswith("-avx2")]
    groups = {"built": list(BUILT), "public": list(PUBLIC), "batched": list(BATCHED), "none": []}
    parser = argparse.ArgumentParser(prog="python -m bench.network_speed")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(groups)}, {', '.join(NETWORKS)}"
    )
    parser.add_argument(
        "--engines", type=_names, default=["onnxruntime", "openvino"], help=f"all, {', '.join(engines)}"
    )
    parser.add_argument("--threads", type=_numbers, default=[1], help="1,2")
    parser.add_argument("--batch", type=_numbers, default=[1], help="1,8; those of the corpus have one")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="ours compiled for this processor, unverified")
    parser.add_argument("--resume", action="store_true", help="only what has no figures yet")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    names = options.names or ["built", "public"]
    options.names = [name for given in names for name in groups.get(given, [given])]
    options.engines = useful if options.engines == ["all"] else options.engines
    for given, allowed in ((options.names, NETWORKS), (options.engines, engines)):
        if unknown := [name for name in given if name not in allowed]:
            parser.error(f"unknown: {', '.join(unknown)}; expected some of {', '.join(allowed)}")
    return options


def _rows() -> list[Record]:
    """All that are known; those compiled as a job does, where there are any."""
    found = []
    for threads in (1, 2):
        for batch in (1, 8):
            for name in NETWORKS:
                rows = [known(Task(name, batch, threads, quick)) for quick in (False, True)]
                found += [row for row in rows if row][:1]
    return found


def _names(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _row(task: Task, options: argparse.Namespace) -> None:
    engines = options.engines
    if options.resume:
        engines = [name for name in engines if name not in ((known(task) or {}).get("engines", {}))]
    if not engines:
        return
    try:
        show(measure(task, engines, options.rounds))
    except SystemExit as failure:
        print(f"{task.network}: {failure}", flush=True)


def show(row: Record) -> None:
    """One line for every engine."""
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in row["compile"]["stages"].items())
    threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    print(f"{row['network']}, batch {row['batch']}, {threads}, {clock(row)} time; compiled: {stages}")
    for engine, record in row["engines"].items():
        title = f"    {ENGINES[engine].title:<16}"
        if "failure" in record:
            print(f"{title} {record['failure']}")
            continue
        seconds, ours = record[clock(row)], record["ours"][clock(row)]
        print(
            f"{title} {seconds * 1e3:9.3f} ms  ours/this {ours / seconds if ours else float('nan'):5.2f}"
            f"  wall/cpu {record['wall'] / record['cpu']:.2f}  difference {record['difference']:.1e}"
            f"  {record['peak bytes'] / 1e6:5.0f} MB  load {record['load'] * 1e3:.0f} ms"
            f"  first {record['first'] * 1e3:.1f} ms  ({record['way']})"
            + ("  WRONG" if record["difference"] > WRONG else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
