"""Every probe under every arrangement: docs/security-table.md. `make hostile` runs it.

    python -m tests.hostile.table [--only NAME,NAME] [--probes NAME,NAME] [--write FILE]

With `--only`, columns that the file has already stay as they are, if they were made on this kernel.
Ends with 1 when something escapes that must not, or when a probe shows nothing: it is held without any
sandbox too, and nobody said why.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.hostile.arrangements import ARRANGEMENTS, LIMITS, Arrangement
from tests.hostile.world import GROUPS, OUTPUTS, World, world
from tinsmith.worker import landlock

DOCUMENT = Path(__file__).parents[2] / "docs" / "security-table.md"
ALONE = {"fork_bomb", "stay_behind", "signal_attempt", *GROUPS["resources"], *OUTPUTS}
"""Tried in a process of their own; the others one after the other in one."""
LAST = "kill_everybody"
ESCAPED = "**E**"
Verdict = tuple[bool, str]
Verdicts = dict[str, Verdict]

PROVES_NOTHING = {
    "kill_everybody": "as root it would end the machine; tried where it can reach the job's own user at most",
    "tcp_fast_open": "this kernel may have it switched off (net.ipv4.tcp_fastopen)",
    "sockets_of_x32_programs": "this kernel has no x32 calls",
    "read_inherited_descriptors": "the attempt passes none on; guard's test passes one",
    "import_from_folder_of_service": "the file is only written where the folder is open",
    "processor_of_many_processes": "a busy machine does not show it; tests/worker/test_cgroup.py does",
    "kexec_load": "this kernel has no such call",
    "init_module": "this kernel has no such call",
    "inject_into_terminal": "a job has no terminal",
}
"""Why a probe may be held with no sandbox."""


def attack(arrangement: Arrangement, wanted: set[str]) -> Verdicts:
    """What becomes of every wanted probe under `arrangement`."""
    together = [name for names in GROUPS.values() for name in names if name not in ALONE and name != LAST]
    together.sort(key=lambda name: name.startswith("signal"))  # stopped processes answer nobody
    with world(arrangement) as around:
        verdicts = _try(around, [name for name in together if name in wanted])
        for name in (name for names in GROUPS.values() for name in names if name in ALONE & wanted):
            verdicts |= _try(around, [name])
        if LAST in wanted and (not arrangement.root or arrangement.user or arrangement.namespaces):
            verdicts |= _try(around, [LAST])
    return verdicts


def _try(around: World, names: list[str]) -> Verdicts:
    return around.attack(names, again="tmp_becomes_a_link" in names) if names else {}


def main() -> int:
    """Runs, prints, writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="arrangements, by name")
    parser.add_argument("--probes")
    parser.add_argument("--at-once", type=int, default=2, help="arrangements at the same time")
    parser.add_argument("--write", type=Path, help="where the table goes")
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else [one.name for one in ARRANGEMENTS]
    every = {name for group in GROUPS.values() for name in group}
    wanted = set(chosen.probes.split(",")) if chosen.probes else every
    started = time.monotonic()
    found = _kept(chosen.write) if chosen.write and chosen.only else {}
    with ThreadPoolExecutor(chosen.at_once) as pool:
        tried = {pool.submit(attack, one, wanted): one for one in ARRANGEMENTS if one.name in names}
        for done in as_completed(tried):
            arrangement, verdicts = tried[done], done.result()
            found[arrangement.name] = verdicts
            escaped = [name for name, (is_out, _) in verdicts.items() if is_out]
            print(f"{arrangement.name:8} {len(escaped)} of {len(verdicts)} escaped", flush=True)
            for name in verdicts if chosen.probes else escaped if arrangement.must_hold else ():
                print("    ", name, "ESCAPED" if verdicts[name][0] else "held", verdicts[name][1][:300])
            if chosen.write:
                chosen.write.write_text("\n".join(page(found)) + "\n")
    print(f"{time.monotonic() - started:.0f} s")
    wrong = list(complaints(found))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def complaints(found: dict[str, Verdicts]) -> Iterator[str]:
    """What is not as it has to be."""
    for arrangement in ARRANGEMENTS:
        for name, (escaped, detail) in found.get(arrangement.name, {}).items():
            if arrangement.must_hold and escaped:
                yield f"{name} escapes from {arrangement.name}: {detail[:200]}"
    for name, (escaped, detail) in found.get("none", {}).items():
        if not escaped and name not in PROVES_NOTHING and name not in SUPERVISED:
            yield f"{name} shows nothing, it is held without a sandbox: {detail[:200]}"


SUPERVISED = OUTPUTS | {
    "many_large_files", "deleted_files_held_open", "files_below_a_path_too_long", "files_in_a_closed_folder",
    "many_small_files", "stay_behind", "memory_of_many_processes", "memory_of_one_process", "fork_bomb",
}  # fmt: skip
"""Held by the process around the sandbox: it counts what is written, ends what is left."""


def _kept(document: Path) -> dict[str, Verdicts]:
    text = document.read_text() if document.exists() else ""
    return columns(text) if _machine() in text else {}


def columns(text: str) -> dict[str, Verdicts]:
    """What `page` wrote: the verdicts, and of those that show nothing the details."""
    found: dict[str, Verdicts] = {}
    names: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| probe |"):
            names = cells[1:]
        elif line.startswith("| ") and names and not line.startswith("| ---"):
            for name, cell in zip(names, cells[1:], strict=True):
                if cell != "-":
                    found.setdefault(name, {})[cells[0].replace(" ", "_")] = (cell == ESCAPED, "")
        elif line.startswith("- ") and ": the supervision: " in line:
            probe, _, detail = line.removeprefix("- ").partition(": the supervision: ")
            found["none"][probe.replace(" ", "_")] = (False, detail)
    return found


def _machine() -> str:
    return f"Linux {platform.release()}, Landlock {landlock.abi()}, {platform.machine()}."


def page(found: dict[str, Verdicts]) -> Iterator[str]:
    """The document."""
    yield "# What holds what"
    yield ""
    yield "Made by `make hostile`; do not edit. " + (
        f"{_machine()} Success is measured from outside where it can be: the secret was printed, the "
        "connection arrived, the file changed, the process stopped."
    )
    yield ""
    yield "`.` held, **E** escaped, `-` not tried. Columns, root serves, unless the name begins with U:"
    yield ""
    shown = [one for one in ARRANGEMENTS if one.name in found]
    for one in shown:
        escaped = sum(is_out for is_out, _ in found[one.name].values())
        yield f"- `{one.name}` {one.meaning}: {escaped} of {len(found[one.name])} escape"
    yield ""
    yield (
        f"The limits of these runs are small: {LIMITS.max_memory >> 20} MiB for a job, {LIMITS.max_cpus} of "
        f"a processor, {LIMITS.max_processes} processes, {LIMITS.max_folder >> 20} MiB of disk. What escapes "
        "in weaker columns is what the missing layer would have held."
    )
    for title, names in GROUPS.items():
        yield from ("", f"## {title.capitalize()}", "")
        yield "| probe | " + " | ".join(one.name for one in shown) + " |"
        yield "| --- |" + " --- |" * len(shown)
        for name in names:
            cells = [_cell(found[one.name].get(name)) for one in shown]
            yield f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |"
    yield from ("", "## Held without a sandbox", "")
    yield "These show nothing about the layers: the process around the sandbox holds them, or this machine."
    yield ""
    for name, (escaped, detail) in found.get("none", {}).items():
        if not escaped:
            reason = PROVES_NOTHING.get(name) or f"the supervision: {_plain(detail)}"
            yield f"- {name.replace('_', ' ')}: {reason}"


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    return ESCAPED if verdict[0] else "."


def _plain(detail: str) -> str:
    return detail[:120].replace("\n", " ").replace("|", "/")


if __name__ == "__main__":
    sys.exit(main())
