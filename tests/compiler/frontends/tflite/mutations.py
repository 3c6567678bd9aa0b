"""Reads and lowers damaged models under limits of memory and time; prints what became of them as JSON.

    python -m tests.compiler.frontends.tflite.mutations FOLDER COUNT

Of each file in FOLDER, COUNT mutations: cuts, bits, bytes and words. One ends as a program ("compiled") or as
a ClientError (its area); everything else is listed with its number, and so is what took more than `SECONDS`.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.compiler.frontends.mutating import survey
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.frontends.tflite import read
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import devices

SECONDS = 5.0
MEMORY = 3 << 30  # bytes of address space, numpy and onnx included
WORDS = (0, 1, 2, 3, 7, 127, 128, 255, 65535, 10**9, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 2)


def main(folder: Path, count: int) -> None:
    """Compiles `count` mutations of each file."""
    survey(cases(folder, count), SECONDS, MEMORY)


def cases(folder: Path, count: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """Names, and what to find out of each."""
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for seed in range(count):
            with tempfile.TemporaryDirectory() as work:
                damaged = mutated(content, random.Random(seed))
                yield f"{path.name} {seed}", partial(outcome, Path(work), damaged)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to three changes."""
    data = bytearray(content)
    if rng.random() < 0.15:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(8, len(data) - 4)
        match rng.randrange(3):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.randrange(256)
            case _:
                place -= place % 4
                data[place : place + 4] = rng.choice(WORDS).to_bytes(4, "little")
    return bytes(data)


def outcome(work: Path, content: bytes) -> str:
    """What becomes of a file."""
    folder, program = work / "input", work / "program"
    folder.mkdir()
    program.mkdir()
    (folder / "model.tflite").write_bytes(content)
    try:
        network = read(folder, CompileRequest("TFLITE", "m", device="rasp4b"))
        emit(network, devices()["rasp4b"], program)
    except ClientError as error:
        return error.area
    return "compiled"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
