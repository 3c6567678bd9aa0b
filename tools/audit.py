"""`make audit`: what is known against the packages of a lock file, by pip-audit.

pip-audit counts a package that its service does not know as one without findings, and ends with "No known
vulnerabilities found" even when the index in use answers no question at all. Here each package is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found about each package: its name with version, and text."""

    clean: tuple[str, ...] = ()
    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @staticmethod
    def of(report: Any) -> Audit:
        """From pip-audit's JSON."""
        clean, vulnerable, unknown = [], [], []
        for package in report["dependencies"]:
            if "skip_reason" in package:
                unknown.append(f"{package['name']}: {package['skip_reason']}")
                continue
            name = f"{package['name']} {package['version']}"
            for known in package["vulns"]:
                fixed = ", ".join(known["fix_versions"]) or "none"
                vulnerable.append(f"{name}: {known['id']}, fixed in: {fixed}")
            if not package["vulns"]:
                clean.append(name)
        return Audit(tuple(clean), tuple(vulnerable), tuple(unknown))

    @property
    def verdict(self) -> int:
        """0: nothing is known against any package; 1: something is; 2: not all could be looked up."""
        if self.vulnerable:
            return 1
        return 2 if self.unknown or not self.clean else 0

    def text(self) -> str:
        """Findings first, then what stays unknown, then the counts."""
        counts = (
            f"{len(self.clean)} without findings, {len(self.vulnerable)} findings, "
            f"{len(self.unknown)} not looked up"
        )
        end = {0: "clean", 1: "vulnerable", 2: "UNKNOWN: this is no clean result"}[self.verdict]
        return "\n".join([*self.vulnerable, *self.unknown[:5], f"{counts}: {end}"])


def main(program: str, lock: str, service: str = "pypi") -> int:
    """Audit `lock` by the pip-audit at `program`, asking `service` (pypi or osv)."""
    command: Sequence[str] = (
        program, "--requirement", lock, "--require-hashes", "--disable-pip", "--format", "json",
        "--progress-spinner", "off", "--vulnerability-service", service,
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        reason = done.stderr.strip().splitlines()[-1:] or ["no output"]
        print(
            f"{Path(lock).name}: {service} could not be asked: {reason[0]}\nUNKNOWN: this is no clean result"
        )
        return 2
    audit = Audit.of(json.loads(done.stdout))
    print(f"{Path(lock).name}, asked of {service}:\n{audit.text()}")
    return audit.verdict


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
