"""The fault table: `python -m tests.faults ENGINE...`; `--page` writes their sections of docs/faults.md.

Exit code 1 when a job was lost, completed twice, failed untruly, or anything was damaged or left behind.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.faults.databases import DATABASES
from tests.faults.places import PLACES
from tests.faults.storm import Plan, Storm
from tests.faults.verdict import Verdict

STORES = {"local": "sqlite", "slurm": "sqlite", "ray": "postgresql"}
DATABASE_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
HEAD = """\
# Faults

`make faults` lets each engine work through jobs while random faults happen, then looks at every job, and
writes this page.

A fault is a `kill -9`, but for these: `connections to S3` are cut at a relay. `connections to the database`
are ended by PostgreSQL, all of them. `database`: somebody else keeps the tables locked for two seconds.
`disk`: not a byte is left for three seconds on the disk of the logs, of a job store in SQLite and, of the
local engine, of the folders of attempts. The `database server` is started again after a second, the object
store as its supervisor does it: after up to 30 s.

On Slurm the storm resumes the node when Slurm has drained it, as an operator would.

One job in seven has an input that no attempt can read, and must fail with that reason. The local engine
compiles small real models of XGBoost and scikit-learn; on clusters a stand-in for the compiler takes up to
two seconds, in the real sandbox.
"""


def main() -> int:
    """Runs the storms named; 1 when a verdict has faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+", choices=PLACES)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--database", choices=DATABASES, help=f"of the job store; {STORES} if not given")
    parser.add_argument(
        "--page", type=Path, help="write the tables to this page, which keeps the others' ones"
    )
    arguments = parser.parse_args()
    faults = []
    for engine in arguments.engines:
        with tempfile.TemporaryDirectory(prefix="tinsmith-faults-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            database = arguments.database or STORES[engine]
            plan = Plan(engine, database, arguments.jobs, arguments.faults, real=engine == "local")
            storm = Storm(plan, folder)
            verdict = storm.run()
        text = table(storm, verdict)
        print(text, flush=True)
        faults += verdict.faults
        if arguments.page:
            arguments.page.write_text(page(arguments.page.read_text(), engine, text))
    for fault in faults:
        print(fault, file=sys.stderr)
    return bool(faults)


def page(before: str, engine: str, text: str) -> str:
    """The page with the section of `engine` replaced."""
    sections = dict.fromkeys(PLACES, "")
    for part in re.split("^(?=## )", before, flags=re.MULTILINE)[1:]:
        sections[part.removeprefix("## ").split("\n", 1)[0]] = part.rstrip() + "\n"
    sections[engine] = text
    missing = "## {0}\n\nNot run yet: `make faults ENGINES={0}`.\n"
    return "\n".join([HEAD, *(sections[each] or missing.format(each) for each in PLACES)])


def table(storm: Storm, verdict: Verdict) -> str:
    """One engine's section of the page."""
    attempts = Counter(verdict.attempts)
    rows = [
        ("jobs", verdict.jobs),
        ("completed, artifact read back with its digest", verdict.completed),
        ("bad inputs, refused with their reason", verdict.refused),
        ("failed for a fault, with a true reason", verdict.failed.total()),
        ("lost", len(verdict.lost)),
        ("completed twice", len(verdict.completed_twice)),
        ("failed untruly", len(verdict.untrue)),
        ("artifacts damaged", len(verdict.damaged)),
        ("processes and folders left behind", len(verdict.orphans)),
        *((f"jobs that took {number} attempts", attempts[number]) for number in sorted(attempts)),
    ]
    lines = [f"## {storm.plan.engine}", ""]
    store = DATABASE_NAMES[storm.plan.database]
    lines += [f"{storm.kills.total()} faults in {storm.seconds:.0f} s. The job store is in {store}.", ""]
    lines += ["| fault | times |", "| --- | --- |"]
    lines += [f"| {victim} | {times} |" for victim, times in sorted(storm.kills.items())]
    lines += ["", "| outcome | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    if verdict.failed:
        lines += ["", "| reason of a failed job | jobs |", "| --- | --- |"]
        lines += [
            f"| {reason.replace('|', '/')} | {times} |" for reason, times in sorted(verdict.failed.items())
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
