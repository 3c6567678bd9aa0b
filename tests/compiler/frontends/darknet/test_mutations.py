"""Damaged files end in a network or a ClientError, in little time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from tests.compiler.frontends.darknet.cases import CASES, weights
from tests.compiler.frontends.mutating import damaged
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError

AREAS = ("InputConfiguration", "OperatorNotImplemented")
SECONDS = 5.0  # of processor time
REACH = 400
"""Bytes at the start, where sizes are told."""
NUMBERS = (
    "0",
    "-1",
    "1",
    "3",
    "65536",
    "2147483648",
    "99999999999999999999",
    "1e30",
    "nan",
    "x",
    "",
    "-5",
    "2,3",
)
CHOSEN = [name for name in CASES if not name.startswith("activation")]


@pytest.mark.parametrize("seed", range(240))
def test_damaged_files(read_net: Callable[..., Network], seed: int) -> None:
    rng = random.Random(seed)
    name = CHOSEN[seed % len(CHOSEN)]
    cfg, content = CASES[name].encode(), weights(name)
    if seed % 3 == 0:
        cfg = damaged(cfg, rng, REACH)
    elif seed % 3 == 1:
        cfg = other_values(cfg.decode(), rng)
    else:
        content = damaged(content, rng, REACH)
    start = time.process_time()
    found: ClientError | None = None
    try:
        read_net(cfg, None, content)
    except ClientError as error:
        found = error
    assert found is None or (found.problems and found.area in AREAS)
    assert time.process_time() - start < SECONDS


def other_values(text: str, rng: random.Random) -> bytes:
    """Some option gets a value that it ought not to have, or a line goes away."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 2, 4))):
        index = rng.randrange(len(lines))
        key, _, value = lines[index].partition("=")
        lines[index] = rng.choice((f"{key}={rng.choice(NUMBERS)}" if value else key, "", lines[index][:-1]))
    return "\n".join(lines).encode()
