from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from tools import refusals as module
from tools.refusals import always_refuses, refusals

LATER = "later perhaps"


def of_size(node: Any, size: int) -> int:
    if size:
        raise node.refuse(f"size {size} of {node}; " + LATER)
    return of_size(node, size + 1)


def rule(node: Any) -> None:
    node.known_ints(1, "axes")
    of_size(node, 3)
    print(*(of_size(node, size) for size in [4]))  # a comprehension is a function of its own


def no_rule(node: Any) -> NoReturn:
    raise node.refuse(LATER)


@pytest.fixture(autouse=True)
def _rules_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "operators", SimpleNamespace(__name__=__name__))


def test_errors_of_all_that_a_rule_calls() -> None:
    assert refusals(rule) == ["axes is not a constant", f"size … of …; {LATER}"]
    assert refusals(no_rule) == [LATER]
    assert refusals(None) == []


def test_rules_that_are_there_to_refuse() -> None:
    assert always_refuses(no_rule)
    assert not always_refuses(rule)
