from __future__ import annotations

import onnx.defs
import pytest

from tinsmith.compiler.operators.registry import find
from tools.operators_page import DOMAINS, PAGE, REASONS, page, schemas


def test_the_page_is_current() -> None:
    """After a change of a rule, or of onnx: make docs"""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_operator_has_one_row(domain: str) -> None:
    names = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == domain}
    section = page().split(f"## {DOMAINS[domain]}: ")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")]
    assert (
        sorted(name for name in rows if name not in ("Operator", "---"))
        == sorted(names)
        == sorted(schemas(domain))
    )
    compiled, _, total = section.split(" compiled")[0].partition(" of ")
    assert int(total) == len(names)
    assert int(compiled) == section.split("Refused, all of them")[0].count("\n| ") - 2


def test_rows_tell_versions_elements_and_restrictions() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page().splitlines()}
    newest = onnx.defs.onnx_opset_version()
    assert rows["Gelu"] == f"| Gelu | 20-{newest} | floats |  |"
    assert rows["Upsample"].startswith("| Upsample | 7-9 | ")
    assert "axis is not a constant" in rows["CumSum"]
    assert "training_mode is not a constant" in rows["Dropout"]
    assert rows["RandomNormal"].startswith("| RandomNormal | it draws random numbers; compiled models answer")
    assert rows["SequenceMap"] == "| SequenceMap | it works on sequences |"


def test_reasons_are_of_operators_without_a_rule() -> None:
    assert not [name for name in REASONS for domain in DOMAINS if find(domain, name) is not None]
