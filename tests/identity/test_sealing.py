from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tinsmith.errors import InternalError
from tinsmith.identity.sealing import Sealer


def test_what_is_sealed_opens_for_its_purpose_alone(tmp_path: Path) -> None:
    sealer = Sealer.of_file(tmp_path / "master.key")
    sealed = sealer.seal(b"secret", "a")
    assert sealer.open(sealed, "a") == b"secret"
    for other, purpose in ((sealer, "b"), (Sealer(bytes(32)), "a")):
        with pytest.raises(ValueError, match="not sealed"):
            other.open(sealed, purpose)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    sealed = Sealer.of_file(path).seal(b"secret", "a")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Sealer.of_file(path).open(sealed, "a") == b"secret"
    assert list(tmp_path.iterdir()) == [path]


def test_services_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    for number in range(20):
        with ThreadPoolExecutor(4) as pool:
            first, *others = pool.map(Sealer.of_file, [tmp_path / str(number)] * 4)
        sealed = first.seal(b"secret", "a")
        assert [other.open(sealed, "a") for other in others] == [b"secret"] * 3


def test_a_damaged_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(InternalError, match="is no master key, expected 32 bytes"):
        Sealer.of_file(path)
    assert path.read_bytes() == b"short"


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    Sealer.of_file(path)
    path.chmod(0o640)
    with pytest.raises(InternalError, match="can be read by others"):
        Sealer.of_file(path)
