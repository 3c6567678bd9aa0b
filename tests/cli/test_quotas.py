from __future__ import annotations

from pathlib import Path

import pytest

from tinsmith.cli.quotas import read_quotas
from tinsmith.errors import InternalError
from tinsmith.settings import Quota, QuotaOptions, Rate

FILE = """
[default]
unfinished = 1000
running = 4
reading = { rate = 0.5, burst = 1 }

[account.111111111111]
running = 16
stored = 0
mutating = { rate = 50, burst = 200 }
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "quotas.toml"
    path.write_text(text)
    return path


def test_accounts_have_what_the_default_says_unless_they_say_otherwise(tmp_path: Path) -> None:
    quotas = read_quotas(written(tmp_path, FILE))
    default = Quota(1000, 4, reading=Rate(0.5, 1))
    assert quotas == QuotaOptions(default, {"111111111111": Quota(1000, 16, 0, Rate(50, 200), Rate(0.5, 1))})
    assert quotas.of("222222222222") == default
    assert quotas.limit_running
    assert not read_quotas(written(tmp_path, "")).limit_running


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [defaults]
        [default]
        unfinished = -1
        running = 2.5
        stored = true
        reading = 5
        writing = { rate = 1, burst = 1 }
        [account.root]
        mutating = { rate = 0, burst = 1 }
        [account.111111111111]
        mutating = { rate = 1, burst = 0.5 }
        reading = { rate = 1 }
        """,
    )
    with pytest.raises(InternalError) as raised:
        read_quotas(path)
    said = str(raised.value)
    for problem in (
        "defaults: expected default or account",
        "default.unfinished: expected a number of jobs, found -1",
        "default.running: expected a number of jobs, found 2.5",
        "default.stored: expected a number of jobs, found True",
        "default.reading: expected { rate",
        "default.writing: expected one of unfinished",
        "account.root: expected the twelve digits",
        "account.root.mutating: expected { rate",
        "account.111111111111.mutating: expected { rate",
        "account.111111111111.reading: expected { rate",
    ):
        assert problem in said


@pytest.mark.parametrize("text", ["= 3", "account = 3", "default = 3", "account.111111111111 = 3"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InternalError, match=r"quotas\.toml"):
        read_quotas(written(tmp_path, text))
    with pytest.raises(InternalError, match=r"none\.toml"):
        read_quotas(tmp_path / "none.toml")
