"""`make sbom`: checks a CycloneDX file against its schema and against what is installed.

Runs in the environment of cyclonedx-bom.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

OURS = {"tinsmith", "tinsmith-runtime"}


def problems(sbom: dict[str, Any], installed: dict[str, str]) -> list[str]:
    """What the bill leaves out or has wrong, of names and versions that are installed."""
    components = [*sbom.get("components", ()), sbom.get("metadata", {}).get("component", {})]
    listed = {it.get("name", "").lower().replace("_", "-"): it for it in components}
    found = []
    for name, version in installed.items():
        component = listed.get(name)
        if component is None:
            found.append(f"{name} {version} is installed and not listed")
        elif component.get("version") != version:
            found.append(f"{name}: listed as {component.get('version')}, installed as {version}")
        elif name not in OURS and not str(component.get("purl", "")).startswith(f"pkg:pypi/{name}@"):
            found.append(f"{name}: its package URL is {component.get('purl')!r}")
    return found


def schema_problem(text: str) -> str:
    """The first thing against the schema of the version that the file names; empty when there is none."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    return "" if error is None else str(error)[:2000]


def main(file: str, python: str, uv: str) -> int:
    """1 when something is wrong with `file`, the bill of the environment of `python`."""
    text = Path(file).read_text()
    command = (uv, "pip", "list", "--python", python, "--format", "json")
    listing = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    installed = {it["name"].lower().replace("_", "-"): it["version"] for it in listing}
    found = [it for it in (schema_problem(text), *problems(json.loads(text), installed)) if it]
    for line in found:
        print(line)
    print(f"{file}: {len(installed)} packages installed, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
