from __future__ import annotations

from tinsmith.spec.targets import devices, platforms
from tools.targets_page import PAGE, page


def test_the_page_is_current() -> None:
    """After a change of targets.toml: .venv/bin/python tools/targets_page.py"""
    assert PAGE.read_text() == page()


def test_the_page_names_every_target() -> None:
    lines = page().splitlines()
    for name, target in {**devices(), **platforms()}.items():
        if target.accelerator is None or name in devices():
            (row,) = [line for line in lines if line.startswith(f"| `{name}` |")]
            assert all(processor in row for processor in target.processors)
