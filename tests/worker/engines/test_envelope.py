from __future__ import annotations

import base64
import json

from tinsmith.worker.engines.envelope import Assignment, opened, plain, sealed, split

ASSIGNMENT = Assignment('{"key": "SECRET-SECRET"}', "/scratch", "http://open", "http://log", "http://result")


def never(url: str) -> None:
    raise AssertionError(url)


def test_a_plain_envelope_holds_the_assignment() -> None:
    assert opened(plain(ASSIGNMENT), never, never) == ASSIGNMENT
    assert "SECRET" not in repr(ASSIGNMENT)


def test_neither_share_of_a_sealed_one_says_anything() -> None:
    pads = {split(ASSIGNMENT.to_json()) for _ in range(20)}
    assert len({share for _, share in pads}) == 20
    pad, share = pads.pop()
    assert b"SECRET" not in pad + share
    assert len(pad) == len(share) == len(ASSIGNMENT.to_json())
    envelope = sealed(share, "http://pad", "http://burn")
    assert b"SECRET" not in base64.b64decode(json.loads(envelope)["sealed"])


def test_a_sealed_envelope_is_opened_once() -> None:
    pad, share = split(ASSIGNMENT.to_json())
    there: dict[str, bytes] = {"http://pad": pad}

    def burn(url: str) -> None:
        assert url == "http://burn"
        there.clear()

    envelope = sealed(share, "http://pad", "http://burn")
    assert opened(envelope, there.get, burn) == ASSIGNMENT
    assert opened(envelope, there.get, burn) is None


def test_bytes_that_begin_with_zeros_survive() -> None:
    pad = bytes(len(ASSIGNMENT.to_json()))
    share = ASSIGNMENT.to_json().encode()
    assert opened(sealed(share, "p", "b"), {"p": pad}.get, lambda _: None) == ASSIGNMENT
