from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tools.advisories import audit, is_affected, locked, main, read

DAY = date(2026, 5, 1)
RANGES = {
    "ranges": [
        {"type": "GIT", "events": [{"introduced": "0"}]},
        {
            "type": "ECOSYSTEM",
            "events": [
                {"introduced": "0"},
                {"fixed": "1.2"},
                {"introduced": "2.0rc1"},
                {"last_affected": "2.10"},
            ],
        },
    ]
}


def entry(name: str, affected: dict[str, Any], **more: Any) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": name}
    return {
        "id": "PYSEC-1",
        "modified": "2026-05-01T10:00:00.5Z",
        "affected": [{"package": package} | affected],
    } | more


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("0.0.1.dev1", True),
        ("1.1.9", True),
        ("1.2", False),
        ("1.9", False),
        ("2.0rc1", True),
        ("2.9", True),
        ("2.10", True),
        ("2.10.1", False),
    ],
)
def test_versions_of_a_range(version: str, affected: bool) -> None:
    assert is_affected(Version(version), RANGES) is affected


def test_versions_of_a_list_are_compared_as_versions() -> None:
    assert is_affected(Version("1.0.0"), {"versions": ["not a version", "1.0"]})
    assert not is_affected(Version("1.0.1"), {"versions": ["1.0"]})


def test_what_a_lock_file_names() -> None:
    text = "# a==1\nMy_Package==1.0 ; python_version > '3' \\\n    --hash=sha256:00\nb==2 \\\n"
    assert locked(text) == [("my-package", Version("1.0")), ("b", Version("2"))]


def test_findings_name_the_versions_that_fix_them() -> None:
    packages = [("my-package", Version("1.0")), ("b", Version("2"))]
    result = audit(packages, [entry("My.Package", RANGES)], DAY)
    assert result.vulnerable == ("my-package 1.0: PYSEC-1, fixed in: 1.2",)
    assert (result.clean, result.verdict) == (("b 2",), 1)


def test_other_ecosystems_have_packages_of_the_same_name() -> None:
    other = entry("b", {"package": {"ecosystem": "npm", "name": "b"}, "versions": ["2"]})
    assert audit([("b", Version("2"))], [other], DAY).verdict == 0


def test_an_old_database_is_no_proof() -> None:
    entries = [entry("c", RANGES)]
    assert audit([("b", Version("2"))], entries, date(2026, 5, 31)).verdict == 0
    result = audit([("b", Version("2"))], entries, date(2026, 6, 1))
    assert (result.unknown, result.verdict) == (("b 2: nothing until 2026-05-01, unknown since",), 2)


def test_a_folder_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("b==1.0\n")
    folder = tmp_path / "vulns" / "b"
    folder.mkdir(parents=True)
    (folder / "other.yaml").write_text("name: this is no advisory\n")
    assert main(str(tmp_path / "vulns"), str(lock)) == 2
    assert "holds no advisories" in capsys.readouterr().out
    start = "id: PYSEC-2\nmodified: 2026-05-01T10:00:00Z\n"
    affects = "affected:\n- package: {ecosystem: PyPI, name: b}\n  versions: ['1.0']\n"
    (folder / "PYSEC-2.yaml").write_text(start + affects)
    (folder / "PYSEC-3.yaml").write_text(start + "withdrawn: 2026-05-02T00:00:00Z\n" + affects)
    assert len(read(tmp_path / "vulns")) == 1
    assert main(str(tmp_path / "vulns"), str(lock)) == 1
    assert "b 1.0: PYSEC-2, fixed in: none" in capsys.readouterr().out
