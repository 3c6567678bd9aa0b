from __future__ import annotations

from typing import Any

import pytest

from tools.sbom import problems

BILL = {
    "metadata": {"component": {"name": "tinsmith", "version": "0.1.0"}},
    "components": [{"name": "PyYAML", "version": "6.0", "purl": "pkg:pypi/pyyaml@6.0"}],
}


def test_a_bill_of_what_is_installed() -> None:
    assert problems(BILL, {"tinsmith": "0.1.0", "pyyaml": "6.0"}) == []


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"numpy": "2.0"}, "numpy 2.0 is installed and not listed"),
        ({"pyyaml": "6.1"}, "pyyaml: listed as 6.0, installed as 6.1"),
    ],
)
def test_what_is_left_out_or_wrong_is_told(installed: dict[str, str], said: str) -> None:
    assert problems(BILL, installed) == [said]


def test_a_package_without_its_url_is_told() -> None:
    bill: dict[str, Any] = {"components": [{"name": "numpy", "version": "2.0"}]}
    assert problems(bill, {"numpy": "2.0"}) == ["numpy: its package URL is None"]
