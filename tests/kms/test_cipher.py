from __future__ import annotations

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.kms.cipher import Sealed, Undecipherable, seal, unseal

ID, KEY = str(uuid.UUID(int=7)), bytes(range(32))
contexts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)


@given(st.binary(max_size=64), contexts)
def test_what_was_sealed_comes_back(plaintext: bytes, context: dict[str, str]) -> None:
    sealed = Sealed.parse(seal(ID, KEY, plaintext, context))
    assert sealed.key_id == ID
    assert unseal(sealed, KEY, dict(reversed(context.items()))) == plaintext


@given(contexts, contexts)
def test_another_context_does_not_open_it(context: dict[str, str], other: dict[str, str]) -> None:
    sealed = Sealed.parse(seal(ID, KEY, b"secret", context))
    if context == other:
        assert unseal(sealed, KEY, other) == b"secret"
    else:
        with pytest.raises(Undecipherable):
            unseal(sealed, KEY, other)


def test_contexts_are_not_joined() -> None:
    sealed = Sealed.parse(seal(ID, KEY, b"secret", {"ab": "c"}))
    with pytest.raises(Undecipherable):
        unseal(sealed, KEY, {"a": "bc"})


def test_every_changed_bit_is_noticed() -> None:
    blob = seal(ID, KEY, b"secret", {"a": "b"})
    for bit in range(8 * len(blob)):
        changed = bytearray(blob)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Undecipherable):
            unseal(Sealed.parse(bytes(changed)), KEY, {"a": "b"})


@pytest.mark.parametrize("length", range(46))
def test_a_part_of_a_ciphertext_is_none(length: int) -> None:
    blob = seal(ID, KEY, b"s", {})
    assert len(blob) == 46
    with pytest.raises(Undecipherable):
        unseal(Sealed.parse(blob[:length]), KEY, {})


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(Undecipherable):
        unseal(Sealed.parse(seal(ID, KEY, b"secret", {})), os.urandom(32), {})


def test_the_same_plaintext_never_looks_the_same() -> None:
    assert len({seal(ID, KEY, b"secret", {}) for _ in range(100)}) == 100
