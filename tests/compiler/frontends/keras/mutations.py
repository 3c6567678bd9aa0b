"""Reads damaged Keras files and prints how each read ended, as JSON.

python -m tests.compiler.frontends.keras.mutations bytes|config FIRST COUNT
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from tests.compiler.frontends.keras.conftest import read_folder
from tests.compiler.frontends.keras.test_layers import recorded, shapes, stored
from tinsmith.errors import ClientError

CASES = (
    "nested models",
    "masked lstm sequences",
    "attention heads",
    "operations",
    "bidirectional of two kinds",
)
ODD: tuple[Any, ...] = (
    None,
    -1,
    0,
    2**40,
    "x",
    "",
    [],
    {},
    True,
    1e308,
    [1, 2, 3],
    ["a", 0, 0],
    {"class_name": "Dense"},
)


def main(kind: str, first: int, count: int) -> None:
    ends: Counter[str] = Counter()
    failures = []
    for seed in range(first, first + count):
        chance = random.Random(seed)
        name = CASES[seed % len(CASES)]
        suffix = ".h5" if kind == "config" or seed % 2 else ".keras"
        content = stored(name, suffix)
        if kind == "config":
            damaged = damaged_config(content, chance)
        elif suffix == ".keras" and chance.random() < 0.7:
            damaged = damaged_archive(content, chance)
        else:
            damaged = damaged_bytes(content, chance)
        try:
            ends[outcome(name, suffix, damaged)] += 1
        except Exception:
            failures.append(f"{kind} {seed}: {traceback.format_exc()[-600:]}")
    print(json.dumps({"ends": ends, "failures": failures}))


def outcome(name: str, suffix: str, content: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"model{suffix}").write_bytes(content)
        try:
            read_folder(Path(folder), shapes(recorded(name)[0], first=False))
        except ClientError as error:
            return error.area
        return "read"


def damaged_bytes(content: bytes, chance: random.Random) -> bytes:
    """Cut off, with bits turned over, overwritten, or with a piece missing."""
    data = bytearray(content)
    way = chance.randrange(4)
    if way == 0:
        return bytes(data[: chance.randrange(len(data))])
    if way == 1:
        for _ in range(chance.randint(1, 40)):
            data[chance.randrange(min(len(data), chance.choice((600, 8000, len(data)))))] ^= (
                1 << chance.randrange(8)
            )
    elif way == 2:
        start = chance.randrange(len(data))
        data[start : start + 24] = chance.randbytes(24)
    else:
        start = chance.randrange(len(data))
        del data[start : start + chance.randint(1, 400)]
    return bytes(data)


def damaged_config(content: bytes, chance: random.Random) -> bytes:
    """A few fields of the config replaced by odd values, or removed."""
    copy = io.BytesIO(content)
    with h5py.File(copy, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for _ in range(chance.randint(1, 3)):
            damage(config, chance)
        file.attrs["model_config"] = json.dumps(config)
    return copy.getvalue()


def damage(config: Any, chance: random.Random) -> None:
    """Changes or removes one field, anywhere in `config`."""
    holder, key = chance.choice(list(places(config)))
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(ODD)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every field inside `value`: what holds it, and its key there."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def damaged_archive(content: bytes, chance: random.Random) -> bytes:
    """An archive that is whole, of which one member is damaged."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(copy, "w") as target:
        chosen = chance.choice(source.namelist())
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, damaged_bytes(data, chance) if name == chosen else data)
    return copy.getvalue()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
