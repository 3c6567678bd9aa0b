from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.graph import Graph
from tests.onnx_suite.cases import as_network
from tinsmith.compiler.backends.native.networks.choices import (
    Book,
    gains,
    instruction_sets,
    read_table,
    shipped,
    write_table,
)
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.backends.native.networks.kernels.schedule import DEFAULT, Geometry, Schedule
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.targets import Target, devices, platforms

GEMM = Geometry("gemm", (1, 30), 48, 200)
CONV = Geometry("conv", (20, 20), 16, 24, (3, 3), winograd=True)
LINUX, HASWELL = platforms()["LINUX_X86_64"], devices()["ml_c4"]
WIDE = Schedule(vectors=4)


@pytest.fixture(scope="module")
def network() -> Network:
    """A convolution of CONV's geometry, and a product of two computed matrices."""
    graph = Graph("small")
    image = graph.conv(graph.input("x", (1, 16, 20, 20)), (16, 24), 3)
    flat = graph.add("Reshape", image, graph.shape(24, 400))
    turned = graph.add("Transpose", flat, perm=[1, 0])
    return as_network(graph.model(graph.add("MatMul", flat, turned)), [np.zeros((1, 16, 20, 20), np.float32)])


def source(network: Network, target: Target, folder: Path, book: Book | None) -> str:
    folder.mkdir()
    emit(network, target, folder, book)
    return (folder / "network.c").read_text()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (HASWELL, ("avx2",)),
        (devices()["ml_c5"], ("avx512",)),
        (LINUX, ("sse2", "avx2", "avx512")),
        (replace(LINUX, cpu="x86-64", variants=()), ("sse2",)),
        (replace(LINUX, cpu="ivybridge", variants=()), ()),
        (devices()["rasp3b"], ()),
        (platforms()["LINUX_X86"], ()),
    ],
    ids=lambda value: value.name if isinstance(value, Target) else "",
)
def test_instruction_sets_of_targets(target: Target, expected: tuple[str, ...]) -> None:
    assert instruction_sets(target) == expected


def test_the_first_table_that_knows_a_layer_decides() -> None:
    book = Book(({"avx2": {str(GEMM): WIDE}}, {"avx2": {str(GEMM): Schedule(rows=2)}, "sse2": {}}))
    assert book.schedules(GEMM, ("avx2",)) == (WIDE,)
    assert book.schedules(CONV, ("avx2",)) == book.schedules(GEMM, ()) == (DEFAULT,)
    assert book.schedules(GEMM, ("sse2", "avx2", "avx512")) == (DEFAULT, WIDE, DEFAULT)


def test_a_table_is_read_as_it_was_written() -> None:
    table = {
        "avx2": {str(GEMM): Schedule(vectors=4, order="blocks"), str(CONV): Schedule("direct")},
        "sse2": {},
    }
    text = write_table(table, {"avx2": {str(GEMM): 0.12345}}, ["Made by hand.", ""])
    assert text.startswith("# Made by hand.\n#\n\n[avx2]\n")
    assert '"gemm 48>200, rows 30" = { vectors = 4, order = "blocks", gain = 0.123 }\n' in text
    assert read_table(text, "a.toml") == table
    assert gains(text) == {"avx2": {str(GEMM): 0.123}, "sse2": {}}


def test_everything_wrong_with_a_table_is_told() -> None:
    text = """
    [avx3]
    [avx2]
    "a" = { vectors = "4", tiles = 3 }
    "b" = 7
    "c" = { order = 1, rows = true, vectors = 2 }
    """
    with pytest.raises(ClientError) as caught:
        read_table(text, "mine.toml")
    assert caught.value.area == "InputConfiguration"
    words = str(caught.value)
    for part in (
        "mine.toml: expected a section of sse2, avx2, avx512, found 'avx3'",
        "[avx2] 'a': 'tiles' is no choice; they are algorithm, vectors, rows, order, passes, split",
        "[avx2] 'a': vectors takes a number, found '4'",
        "[avx2] 'b': expected choices {name = value}, found 7",
        "[avx2] 'c': order takes a text, found 1",
        "[avx2] 'c': rows takes a number, found True",
    ):
        assert part in words
    with pytest.raises(ClientError, match=r"mine\.toml: "):
        read_table("[avx2", "mine.toml")


def test_schedules_become_constants_of_the_processor(network: Network, tmp_path: Path) -> None:
    product = "product 400>24, rows 24"
    book = Book(({"avx2": {str(CONV): WIDE, product: Schedule(rows=4)}},))
    assert "tile_" not in source(network, HASWELL, tmp_path / "default", Book())
    one = source(network, HASWELL, tmp_path / "one", book)
    assert ".tile_vectors = 4" in one
    assert ".tile_rows = 4" in one
    several = source(network, LINUX, tmp_path / "several", book)
    assert ".tile_vectors = TS_BY_VECTOR(0, 4, 0)" in several
    assert "tile_" not in source(network, devices()["rasp3b"], tmp_path / "arm", book)
    assert one == source(network, HASWELL, tmp_path / "again", book)


def test_an_algorithm_is_for_libraries_of_one_processor(network: Network, tmp_path: Path) -> None:
    usual = source(network, HASWELL, tmp_path / "default", Book())
    other = "direct" if "ts_convolve_winograd" in usual else "winograd"
    book = Book(({"avx2": {str(CONV): Schedule(other)}},))
    assert ("ts_convolve_winograd" in source(network, HASWELL, tmp_path / "one", book)) is (
        other == "winograd"
    )
    assert source(network, LINUX, tmp_path / "several", book) == source(
        network, LINUX, tmp_path / "usual", Book()
    )


def test_what_a_layer_cannot_have_is_refused(network: Network, tmp_path: Path) -> None:
    book = Book(({"avx2": {str(CONV): Schedule(vectors=3, passes=2)}},))
    with pytest.raises(ClientError) as caught:
        emit(network, HASWELL, tmp_path, book)
    assert f"[avx2] {CONV}: vectors 3 is none of 1, 2, 4" in str(caught.value)
    assert f"[avx2] {CONV}: passes 2 is none of 1, 3" in str(caught.value)


def test_the_shipped_tables_hold_measured_gains() -> None:
    tables = shipped().tables
    assert {name for table in tables for name in table} <= {"sse2", "avx2"}
    assert all(
        schedule != DEFAULT for table in tables for part in table.values() for schedule in part.values()
    )
