"""`python -m bench.tune [NETWORK...]`: searches schedules on this machine, and writes the tables we ship.

The networks of the benchmark are searched one after the other, each beginning with what the ones before
found. The tables there are are added to; `--fresh` begins without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.networks import BUILT, PUBLIC, provide
from tinsmith.compiler import frontends
from tinsmith.compiler.backends.native.networks import choices
from tinsmith.compiler.backends.native.networks.choices import Book, instruction_sets
from tinsmith.compiler.backends.native.networks.kernels.schedule import VECTOR_FLOATS, Schedule
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.tuning.search import search
from tinsmith.compiler.verify.cpu import host_name, lacking
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target, platforms

FOLDER = Path(choices.__file__).parent / "tuning"
HEAD = (
    "Schedules that are faster than the cost model's, by layer; `gain`: share of the layer's time saved.",
    "Made by `make tuning-tables` on {host}; every entry gained more than 3 % in each of three builds.",
)


def main() -> None:
    """Print a line for every network and set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=[*BUILT, *PUBLIC])
    parser.add_argument("--sets", default="avx2,sse2", help="instruction sets of this machine")
    parser.add_argument("--seconds", type=float, default=900, help="per network")
    parser.add_argument("--fresh", action="store_true", help="forget the tables there are")
    arguments = parser.parse_args()
    for name in arguments.sets.split(","):
        table, gains = ({}, {}) if arguments.fresh else _stored(name)
        for network in arguments.networks:
            _search(network, name, arguments.seconds, table, gains)
            _write(name, table, gains)


def _search(
    name: str, instruction_set: str, seconds: float, table: dict[str, Schedule], gains: dict[str, float]
) -> None:
    target = target_of(instruction_set)
    if missing := lacking(target):
        raise SystemExit(f"this processor lacks {', '.join(missing)}")
    with TemporaryDirectory() as folder, _network(name) as network:
        book = Book(({instruction_set: table},))
        found = search(network, target, instruction_set, book, Path(folder), seconds, print)
    for geometry, gain in found.layers.items():
        before = gains.get(str(geometry), 0)
        table[str(geometry)] = gain.schedule
        gains[str(geometry)] = 1 - (1 - before) * (1 - gain.gain)
    ending = "" if found.complete else ", cut short"
    print(
        f"{name} {instruction_set}: {len(found.layers)} of {found.searched} layers, "
        f"network x {found.whole:.3f}, {found.trials} trials, {found.seconds:.0f} s{ending}",
        flush=True,
    )


def target_of(instruction_set: str) -> Target:
    """A processor with these instructions and no more."""
    linux = platforms()["LINUX_X86_64"]
    for cpu in linux.variants:
        target = replace(linux, cpu=cpu, variants=())
        if instruction_sets(target) == (instruction_set,):
            return target
    raise SystemExit(f"{instruction_set} is none of {', '.join(VECTOR_FLOATS)}")


@contextmanager
def _network(name: str) -> Iterator[Network]:
    request = CompileRequest("ONNX", name, platform=TargetPlatform("LINUX", "X86_64"))
    with TemporaryDirectory() as folder:
        provide(name, 1, Path(folder) / "made")
        (Path(folder) / "input").mkdir()
        (Path(folder) / "made" / "model.onnx").rename(Path(folder) / "input" / "model.onnx")
        network = frontends.load("ONNX")(Path(folder) / "input", request)
        assert isinstance(network, Network)
        yield network


def _stored(instruction_set: str) -> tuple[dict[str, Schedule], dict[str, float]]:
    path = FOLDER / f"{instruction_set}.toml"
    if not path.exists():
        return {}, {}
    text = path.read_text()
    return dict(choices.read_table(text, path.name)[instruction_set]), choices.gains(text)[instruction_set]


def _write(instruction_set: str, table: dict[str, Schedule], gains: dict[str, float]) -> None:
    head = [line.format(host=host_name()) for line in HEAD]
    text = choices.write_table({instruction_set: table}, {instruction_set: gains}, head)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{instruction_set}.toml").write_text(text)


if __name__ == "__main__":
    main()
