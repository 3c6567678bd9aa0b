"""Reads damaged models under limits of memory and time; prints what became of them as JSON.

python -m tests.compiler.frontends.tensorflow.mutations FIRST COUNT
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.compiler.frontends.mutating import survey
from tests.compiler.frontends.tensorflow.graphs import DATA
from tinsmith.compiler.frontends.tensorflow import read
from tinsmith.compiler.frontends.tensorflow.messages import GraphDef
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

SECONDS = 10.0
MEMORY = 4 << 30  # bytes of address space, numpy and onnx included
NUMBERS = (0, -1, 1, 2**31 - 1, -(2**31), 2**62, 10**6, 3)
CASES = (
    "Conv2D SAME 2",
    "LSTM frames",
    "LSTM functions",
    "attention",
    "CombinedNonMaxSuppression 1",
    "SplitV",
)


def main(first: int, count: int) -> None:
    """Reads mutations `first` to `first + count - 1`."""
    survey(cases(first, count), SECONDS, MEMORY)


def cases(first: int, count: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """Numbers, and what to find out of each."""
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as name:
            yield str(seed), partial(outcome, Path(name), random.Random(seed))


def outcome(folder: Path, rng: random.Random) -> str:
    """What becomes of one damaged model."""
    config = None
    if rng.random() < 0.4:
        name = rng.choice(["first", "second"])
        shutil.copytree(DATA / name, folder, dirs_exist_ok=True)
        config = {"first": '{"x": [2, 4]}', "second": '{"image": [2, 6, 5, 2], "scale": []}'}[name]
        path = rng.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
        path.write_bytes(damaged(path.read_bytes(), rng))
    else:
        with np.load(DATA / "operators.npz") as content:
            graph = content[f"{rng.choice(CASES)}/graph"].tobytes()
        changed = mutated(graph, rng) if rng.random() < 0.8 else damaged(graph, rng)
        (folder / "graph.pb").write_bytes(changed)
    try:
        read(folder, CompileRequest("TENSORFLOW", "m", device="ml_c5", data_input_config=config))
    except ClientError as error:
        return error.area
    return "read"


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, cut short, or a part doubled."""
    changed = bytearray(content)
    way = rng.randrange(3)
    if way == 0 or len(changed) < 4:
        return bytes(changed[: rng.randrange(len(changed) + 1)])
    if way == 1:
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    start, end = sorted(rng.randrange(len(changed)) for _ in range(2))
    return bytes(changed[:end] + changed[start:])


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A graph that is sound as a message and wrong in one or two places."""
    graph = GraphDef.FromString(content)
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    for _ in range(rng.randrange(1, 3)):
        node = rng.choice(nodes)
        way = rng.randrange(5)
        if way == 0 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(nodes).name + rng.choice(["", ":1", ":9"])
        elif way == 1 and node.input:
            del node.input[rng.randrange(len(node.input))]
        elif way == 2:
            node.op = rng.choice(nodes).op
        elif way == 3 and node.attr:
            del node.attr[rng.choice(sorted(node.attr))]
        elif node.attr:
            _change(node.attr[rng.choice(sorted(node.attr))], rng)
    return bytes(graph.SerializeToString())


def _change(attribute: Any, rng: random.Random) -> None:
    kind = attribute.WhichOneof("value") if attribute.DESCRIPTOR.oneofs else None
    if kind is None and attribute.HasField("tensor"):
        shape = attribute.tensor.tensor_shape
        if shape.dim and rng.random() < 0.5:
            shape.dim[0].size = rng.choice(NUMBERS)
        else:
            attribute.tensor.tensor_content = attribute.tensor.tensor_content[:-1] + b"\x7f"
    elif attribute.HasField("list") and attribute.list.i:
        attribute.list.i[0] = rng.choice(NUMBERS)
    elif attribute.HasField("shape"):
        attribute.shape.dim.add(size=rng.choice(NUMBERS))
    else:
        attribute.i = rng.choice(NUMBERS)
        attribute.type = rng.randrange(30)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
