"""`tinsmith targets`: what can be compiled for."""

from __future__ import annotations

from dataclasses import asdict

from tinsmith.cli.console import Json, print_json, print_table


def targets(json: Json = False) -> None:
    """List every target device and platform."""
    from tinsmith.spec.targets import devices, platforms

    known = [*devices().values(), *platforms().values()]
    if json:
        print_json([asdict(target) for target in known])
        return
    from rich.table import Table

    table = Table(
        "target", "system", "processor", "accelerator", "verified by", box=None, header_style="bold"
    )
    for target in known:
        processors = " ".join(target.processors)
        table.add_row(
            target.name, f"{target.os} {target.arch}", processors, target.accelerator or "", target.emulator
        )
    print_table(table)
