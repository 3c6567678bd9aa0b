"""The operator's file about what accounts may have and do (`tinsmith serve --quota-file`).

[default]                                # every account without a table of its own
unfinished = 1000                        # jobs queued and running
running = 4                              # jobs that run at once
stored = 100000                          # jobs of whatever status
mutating = { rate = 50, burst = 200 }    # requests a second; burst: at once
reading = { rate = 500, burst = 1000 }

[account.111111111111]                   # what is not here is as in default
running = 16
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinsmith.errors import InternalError
from tinsmith.settings import Quota, QuotaOptions, Rate

_COUNTS = ("unfinished", "running", "stored")
_RATES = ("mutating", "reading")


def read_quotas(path: Path) -> QuotaOptions:
    """What the file at `path` says. Raises InternalError with everything that is wrong in it."""
    try:
        file = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InternalError(f"{path}: {error}") from None
    if problems := list(_problems(file)):
        raise InternalError(f"{path}: {'; '.join(problems)}")
    default = _changed(Quota(), file.get("default", {}))
    accounts = {name: _changed(default, table) for name, table in file.get("account", {}).items()}
    return QuotaOptions(default, accounts)


def _changed(quota: Quota, table: Mapping[str, Any]) -> Quota:
    rates = {name: Rate(table[name]["rate"], table[name]["burst"]) for name in _RATES if name in table}
    return replace(quota, **{**table, **rates})


def _problems(file: Mapping[str, Any]) -> Iterator[str]:
    for name in file.keys() - {"default", "account"}:
        yield f"{name}: expected default or account"
    yield from _table_problems("default", file.get("default", {}))
    accounts = file.get("account", {})
    if not isinstance(accounts, dict):
        yield f"account: expected tables, found {accounts!r}"
        return
    for name, table in accounts.items():
        if not re.fullmatch(r"[0-9]{12}", name):
            yield f"account.{name}: expected the twelve digits of an account"
        yield from _table_problems(f"account.{name}", table)


def _table_problems(place: str, table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"{place}: expected a table, found {table!r}"
        return
    for name, value in table.items():
        if name not in (*_COUNTS, *_RATES):
            yield f"{place}.{name}: expected one of {', '.join((*_COUNTS, *_RATES))}"
        elif name in _COUNTS and not (_is_number(value, int) and value >= 0):
            yield f"{place}.{name}: expected a number of jobs, found {value!r}"
        elif name in _RATES and not _is_rate(value):
            yield f"{place}.{name}: expected {{ rate = <above 0>, burst = <1 or more> }}, found {value!r}"


def _is_rate(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"rate", "burst"}:
        return False
    rate, burst = value["rate"], value["burst"]
    return _is_number(rate) and _is_number(burst) and rate > 0 and burst >= 1


def _is_number(value: object, kind: type = float) -> bool:
    return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
