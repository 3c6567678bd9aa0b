"""Write docs/targets.md from spec/targets.toml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tinsmith.spec.targets import Target, devices, platforms

PAGE = Path(__file__).resolve().parent.parent / "docs" / "targets.md"
HEAD = """\
# Targets

Every value of TargetDevice and every combination of TargetPlatform, made from
`src/tinsmith/spec/targets.toml` by `.venv/bin/python tools/targets_page.py`. `tinsmith targets` prints the
same on a terminal, `tinsmith doctor` says which of them this machine can execute.

- **Processors**: what the library is compiled for, in LLVM's names. Where there are several, the library
  holds code for each and chooses by cpuid when it is loaded; otherwise it needs the one that is named.
- **Executed by**: what runs the finished artifact on an x86-64 Linux host before the job is COMPLETED.
  `native` asks for a host whose processor has everything that the target's has, else for qemu.
- **Accelerator**: what the machine has beside its processor. Tree models run on the processor.
- **Source** of the facts: `aws` the API or its guide, `dlr` and `tvm` those projects' tables, `chip` the
  data sheet of the processor or instance family, `abi` the platform's own ABI document.
"""
COLUMNS = ("System", "Processors", "Accelerator", "Executed by", "Source", "Notes")


def page() -> str:
    """The text of docs/targets.md."""
    plain = [target for target in platforms().values() if target.accelerator is None]
    return "\n".join(
        [
            HEAD,
            "## TargetDevice",
            "",
            *_table("Device", devices().values()),
            "",
            "## TargetPlatform",
            "",
            "Each also with any of the four accelerators, which changes the artifact's name and nothing else",
            "of a tree model.",
            "",
            *_table("Os_Arch", plain),
            "",
        ]
    )


def _table(first: str, targets: Iterable[Target]) -> Iterator[str]:
    yield _row((first, *COLUMNS))
    yield _row(["---"] * (1 + len(COLUMNS)))
    for target in targets:
        abi = f", {target.float_abi} float" if target.float_abi else ""
        yield _row(
            (
                f"`{target.name}`",
                f"{target.os} {target.arch}{abi}",
                _processors(target),
                target.accelerator or "",
                target.emulator,
                target.source,
                target.notes,
            )
        )


def _processors(target: Target) -> str:
    names = ", ".join(target.processors)
    return f"{names} ({' '.join(target.features)})" if target.features else names


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
