"""`make audit ADVISORIES=folder`: what is known against the packages of a lock file, by a copy of a database.

The folder holds files in the OSV format (https://ossf.github.io/osv-schema/), as a clone of
https://github.com/pypa/advisory-database does, so that a machine without a network can be audited. What
became known after the newest file is unknown: a database older than MAX_AGE is no proof of a clean lock file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tools.audit import Audit

MAX_AGE = timedelta(days=30)
LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def locked(lock: str) -> list[tuple[str, Version]]:
    """Packages, by canonical name, and versions that the text of a lock file names."""
    return [(canonicalize_name(name), Version(version)) for name, version in LOCKED.findall(lock)]


def read(folder: Path) -> list[Any]:
    """Every entry of the database that was not withdrawn."""
    entries = [_load(path) for path in sorted(folder.rglob("*")) if path.suffix in (".yaml", ".json")]
    return [entry for entry in entries if _is_entry(entry) and not entry.get("withdrawn")]


def newest(entries: list[Any]) -> date:
    """The day of the last change."""
    return max(datetime.fromisoformat(str(entry["modified"])).date() for entry in entries)


def audit(packages: list[tuple[str, Version]], entries: list[Any], today: date) -> Audit:
    """What `entries` say about `packages`; those without a finding are unknown when the entries are old."""
    known: dict[str, list[tuple[str, Any]]] = {}
    for entry in entries:
        for affected in entry.get("affected", ()):
            if affected.get("package", {}).get("ecosystem") == "PyPI":
                package = canonicalize_name(affected["package"]["name"])
                known.setdefault(package, []).append((entry["id"], affected))
    findings, others = [], []
    for name, version in packages:
        hits = {key: affected for key, affected in known.get(name, ()) if is_affected(version, affected)}
        for key, affected in hits.items():
            fixed = ", ".join(map(str, _fixes(affected))) or "none"
            findings.append(f"{name} {version}: {key}, fixed in: {fixed}")
        if not hits:
            others.append(f"{name} {version}")
    if today - newest(entries) > MAX_AGE:
        unknown = tuple(f"{one}: nothing until {newest(entries)}, unknown since" for one in others)
        return Audit(vulnerable=tuple(findings), unknown=unknown)
    return Audit(tuple(others), tuple(findings))


def is_affected(version: Version, affected: Mapping[str, Any]) -> bool:
    """By the list of versions or a range of them, the rule of OSV's schema."""
    if version in {one for text in affected.get("versions", ()) if (one := _version(text)) is not None}:
        return True
    return any(
        _in_range(version, one["events"]) for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM"
    )


def _in_range(version: Version, events: list[Mapping[str, str]]) -> bool:
    """Whether the last event before `version` began a range."""
    inside = False
    for kind, text in sorted((next(iter(event.items())) for event in events), key=lambda one: _order(one[1])):
        at = _order(text)
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _order(text: str) -> Version:
    return _version(text) or Version("0.dev0")  # "0" is before all versions


def _version(text: object) -> Version | None:
    try:
        return None if str(text) == "0" else Version(str(text))
    except InvalidVersion:
        return None


def _fixes(affected: Mapping[str, Any]) -> Iterator[str]:
    for one in affected.get("ranges", ()):
        if one["type"] == "ECOSYSTEM":
            yield from (event["fixed"] for event in one["events"] if "fixed" in event)


def _load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and {"id", "modified", "affected"} <= set(value)


def main(folder: str, lock: str) -> int:
    """Audit `lock` by the database in `folder`; exit codes as of `Audit.verdict`."""
    entries = read(Path(folder))
    if not entries:
        print(f"{folder} holds no advisories in the OSV format\nUNKNOWN: this is no clean result")
        return 2
    result = audit(locked(Path(lock).read_text(encoding="utf-8")), entries, datetime.now(UTC).date())
    print(f"{Path(lock).name}, by {len(entries)} advisories of {newest(entries)}:\n{result.text()}")
    return result.verdict


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
