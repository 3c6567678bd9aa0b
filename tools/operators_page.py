"""Write docs/operators.md: every ONNX operator, and whether it is compiled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx.defs

from tinsmith.compiler.operators.registry import find

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operators.md"
HEAD = """\
# Operators

Every operator of the installed onnx package, made by `.venv/bin/python tools/operators_page.py`. *Compiled*
means that a rule exists; forms that a rule does not take (an axis that is no constant, say) are refused by
name when a model has them. `make onnx-suite` compiles and executes onnx's own node tests and prints how many
pass. Opsets 7 to the newest are read; text, sequences, maps, optional and sparse values are refused.
"""
DOMAINS = {"": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml"}


def page() -> str:
    """The text of docs/operators.md."""
    return "\n".join([HEAD, *(line for domain in DOMAINS for line in _section(domain))])


def _section(domain: str) -> Iterable[str]:
    newest = {
        schema.name: schema.since_version for schema in onnx.defs.get_all_schemas() if schema.domain == domain
    }
    compiled = sorted(name for name in newest if find(domain, name) is not None)
    refused = sorted(set(newest) - set(compiled))
    yield f"## {DOMAINS[domain]}: {len(compiled)} of {len(newest)} compiled"
    yield ""
    yield f"Compiled: {', '.join(compiled)}."
    yield ""
    if refused:
        yield f"Refused: {', '.join(refused)}."
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page())
