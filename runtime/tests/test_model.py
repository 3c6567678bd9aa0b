from __future__ import annotations

import gc
import os
import re
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinsmith_runtime
from tinsmith_runtime import ArtifactError, InputError, Manifest, Model, PredictionError, Tensor

ROWS = np.arange(1, 31, dtype=np.float32).reshape(10, 3)


@pytest.fixture
def model(make_artifact: Callable[..., Path]) -> Model:
    return tinsmith_runtime.load(make_artifact())


@pytest.fixture(scope="module")
def shared(library: bytes, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "compiled.so").write_bytes(library)
    (folder / "manifest").write_text(manifest.to_json())
    return tinsmith_runtime.load(folder)


def wanted(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    exact = rows.astype(np.float64)
    return np.stack(
        [exact[:, 0] + exact[:, 1] + exact[:, 2], exact[:, 0] * exact[:, 1] * exact[:, 2]], axis=1
    )


def test_predicts_from_a_tarball(model: Model) -> None:
    (answer,) = model.run({"data": ROWS}).values()
    assert answer.dtype == np.float64
    np.testing.assert_array_equal(answer, wanted(ROWS))


def test_predicts_from_a_folder_and_a_string(folder: Path) -> None:
    np.testing.assert_array_equal(
        tinsmith_runtime.load(str(folder)).run({"data": ROWS})["answer"], wanted(ROWS)
    )


def test_tells_its_inputs_and_outputs(model: Model) -> None:
    assert model.inputs == (Tensor("data", "float32", (-1, 3)),)
    assert model.outputs == (Tensor("answer", "float64", (-1, 2)),)


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_any_number_of_rows(model: Model, count: int) -> None:
    answer = model.run({"data": ROWS[:count]})["answer"]
    assert answer.shape == (count, 2)
    np.testing.assert_array_equal(answer, wanted(ROWS[:count]))


@pytest.mark.parametrize("count", [0, 1, 10])
def test_margin_has_its_own_shape(model: Model, count: int) -> None:
    margin = model.run({"data": ROWS[:count]}, margin=True)["margin"]
    np.testing.assert_array_equal(margin, wanted(ROWS[:count])[:, 0])
    assert margin.shape == (count,)


def test_one_row_without_row_axis(model: Model) -> None:
    np.testing.assert_array_equal(model.run({"data": ROWS[4]})["answer"], wanted(ROWS)[4])
    assert model.run({"data": ROWS[4]}, margin=True)["margin"] == wanted(ROWS)[4, 0]


def test_results_do_not_share_memory(model: Model) -> None:
    first = model.run({"data": ROWS[:1]})["answer"]
    model.run({"data": ROWS[1:2]})
    np.testing.assert_array_equal(first, wanted(ROWS[:1]))


def unaligned() -> np.ndarray[Any, Any]:
    rows = np.zeros(ROWS.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(ROWS.shape)
    rows[...] = ROWS
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS[::2], id="every other row"),
        pytest.param(np.concatenate([ROWS, ROWS], axis=1)[:, 2:5], id="some columns"),
        pytest.param(np.asfortranarray(ROWS), id="column by column"),
        pytest.param(ROWS[::-1], id="backwards"),
        pytest.param(np.broadcast_to(ROWS[0], (4, 3)), id="one row repeated"),
        pytest.param(np.repeat(ROWS, 2, axis=1)[:, ::2], id="every other column"),
        pytest.param(ROWS[:1, ::-1], id="one row backwards"),
        pytest.param(unaligned(), id="unaligned"),
    ],
)
def test_any_layout_of_rows(model: Model, rows: np.ndarray[Any, Any]) -> None:
    np.testing.assert_array_equal(model.run({"data": rows})["answer"], wanted(rows))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_slice_of_any_array(shared: Model, data: st.DataObject) -> None:
    big = np.arange(200, dtype=np.float32).reshape(20, 10)
    steps = st.integers(-3, 3).filter(bool)
    columns = big[:, data.draw(st.integers(0, 7)) :][:, :3]
    rows = columns[:: data.draw(steps)][data.draw(st.integers(0, 5)) :]
    np.testing.assert_array_equal(shared.run({"data": rows})["answer"], wanted(rows))


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[4], ROWS[::2], np.asfortranarray(ROWS)])
@pytest.mark.parametrize("margin", [False, True])
def test_a_given_array_takes_the_result(model: Model, rows: np.ndarray[Any, Any], margin: bool) -> None:
    (fresh,) = model.run(rows, margin).values()
    name = "margin" if margin else "answer"
    out = np.full(np.shape(fresh), np.nan)
    answer = model.run(rows, margin, {name: out})[name]
    assert answer is out
    np.testing.assert_array_equal(out, fresh)
    np.testing.assert_array_equal(model.run(rows, margin, {})[name], fresh)


def test_refuses_arrays_that_cannot_take_the_result(model: Model) -> None:
    with pytest.raises(
        InputError, match=r"'answer': expected float64 array of shape \(10, 2\), found float32"
    ):
        model.run(ROWS, out={"answer": np.empty((10, 2), np.float32)})
    with pytest.raises(InputError, match="'margin' is no output"):
        model.run(ROWS, out={"margin": np.empty(10)})
    block = np.zeros(160, np.uint8)
    rows, out = block[40:].view(np.float32).reshape(10, 3), block.view(np.float64).reshape(10, 2)
    with pytest.raises(InputError, match="'answer' shares memory with the rows"):
        model.run(rows, out={"answer": out})
    with pytest.raises(InputError, match="'answer' shares memory with the rows"):
        model.run(rows[::-1], out={"answer": out})


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, "{}"),
        ({"x": ROWS}, "'x': float32 array of shape (10, 3)"),
        ({"data": ROWS, "x": ROWS}, "'x': float32"),
        ({"data": ROWS.astype(np.float64)}, "float64 array of shape (10, 3)"),
        ({"data": ROWS.astype(">f4")}, ">f4 array of shape (10, 3)"),
        ({"data": ROWS[:, :2]}, "float32 array of shape (10, 2)"),
        ({"data": ROWS[0, :2]}, "float32 array of shape (2,)"),
        ({"data": ROWS[None]}, "float32 array of shape (1, 10, 3)"),
        ({"data": np.float32(1)}, "float32"),
        ({"data": ROWS.tolist()}, "'data': list"),
        ({"data": None}, "'data': NoneType"),
        ([ROWS], "found list"),
        (None, "found NoneType"),
    ],
)
def test_refuses_other_inputs_and_says_what_it_wants(model: Model, inputs: Any, found: str) -> None:
    with pytest.raises(InputError, match=re.escape("float32 array of shape (rows, 3)")) as caught:
        model.run(inputs)
    assert found in str(caught.value)


@pytest.mark.parametrize("rows", [np.full((1, 3), -13, np.float32), np.full((5, 3), -13, np.float32)])
def test_reports_what_the_library_reports(model: Model, rows: np.ndarray[Any, Any]) -> None:
    with pytest.raises(PredictionError, match="out of memory"):
        model.run({"data": rows})
    np.testing.assert_array_equal(model.run({"data": ROWS[:1]})["answer"], wanted(ROWS[:1]))


def test_many_threads_at_once(model: Model) -> None:
    failures = []

    def work(seed: int) -> None:
        rows = np.random.RandomState(seed).rand(7, 3).astype(np.float32)
        for step in range(300):
            part = rows[step % 7 : step % 7 + 1] if step % 2 else rows
            if not np.array_equal(model.run({"data": part})["answer"], wanted(part)):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_nothing_unpacked_is_left_behind(
    make_artifact: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    model = tinsmith_runtime.load(make_artifact())
    assert not list(place.iterdir())
    np.testing.assert_array_equal(model.run(ROWS)["answer"], wanted(ROWS))


def test_a_model_that_nobody_uses_is_unloaded(folder: Path) -> None:
    def loaded() -> bool:
        return str(folder / "compiled.so") in Path("/proc/self/maps").read_text()

    model, other = tinsmith_runtime.load(folder), tinsmith_runtime.load(folder)
    answer = model.run(ROWS)["answer"]
    assert loaded()
    del model
    gc.collect()
    assert loaded()
    np.testing.assert_array_equal(other.run(ROWS)["answer"], answer)
    del other
    gc.collect()
    assert not loaded()
    np.testing.assert_array_equal(answer, wanted(ROWS))


def test_failed_loads_leave_nothing_behind(
    make_artifact: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with pytest.raises(ArtifactError):
        tinsmith_runtime.load(make_artifact(inputs=(Tensor("data", "float32", (-1, 4)),)))
    assert not list(place.iterdir())


def test_library_and_manifest_must_agree(make_artifact: Callable[..., Path]) -> None:
    path = make_artifact(
        inputs=(Tensor("data", "float32", (-1, 4)),), outputs=(Tensor("answer", "float32", (-1, 2)),)
    )
    with pytest.raises(ArtifactError, match="features 3, its manifest says 4; output type float64"):
        tinsmith_runtime.load(path)


def test_refuses_a_newer_library(make_artifact: Callable[..., Path]) -> None:
    with pytest.raises(ArtifactError, match="ABI 2, this package runs ABI 1"):
        tinsmith_runtime.load(make_artifact(abi=2))


def test_names_what_does_not_load(folder: Path) -> None:
    (folder / "compiled.so").write_bytes(b"\x7fELF, but no more")
    with pytest.raises(ArtifactError, match="compiled for LINUX_X86_64, does not load here"):
        tinsmith_runtime.load(folder)


def test_limits_threads(folder: Path) -> None:
    model = tinsmith_runtime.load(folder, threads=2)
    assert model.run(ROWS, margin=True)["margin"][0] == 6
    again = tinsmith_runtime.load(folder, threads=2)
    with pytest.raises(ValueError, match="runs already, and its limit is not 3"):
        tinsmith_runtime.load(folder, threads=3)
    del model, again
    gc.collect()
    tinsmith_runtime.load(folder, threads=3)
    for number in (0, 257):
        with pytest.raises(ValueError, match=f"1 to 256, found {number}"):
            tinsmith_runtime.load(folder, threads=number)


def test_limits_threads_of_older_libraries_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = folder / "compiled.so"
    library.write_bytes(library.read_bytes().replace(b"tinsmith_set_threads", b"tinsmith_has_no_such"))
    monkeypatch.setenv("TINSMITH_NUM_THREADS", "7")
    tinsmith_runtime.load(folder, threads=2)
    assert os.environ["TINSMITH_NUM_THREADS"] == "2"
