from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from ctypes import POINTER, byref, c_bool, c_char_p, c_float, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.artifact.dlr import build_dlr, functions
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.rows import make_rows
from tinsmith.spec.targets import Target, platforms

CPU, GPU = 1, 2
CUSTOMER = """
import sys, numpy as np, dlr
folder, result, default = sys.argv[1:]
model = dlr.DLRModel(folder, "cpu", 0, None, default == "default")
rows = np.load(folder + "/evidence/rows.npy")
np.savez(
    result,
    all=model.run(rows)[0],
    named=model.run({"data": rows[:7]})[0],
    one=model.run(rows[:1])[0],
    short=model.run(np.ascontiguousarray(rows[:, :3]))[0],
    names=model.get_input_names() + model.get_output_names(),
    version=model.get_version(),
)
"""


def use(dlr: Path, artifact: Path, tmp_path: Path, default: str = "") -> dict[str, Any]:
    """What a customer's script gets from the dlr package in folder `dlr`."""
    script, result = tmp_path / "customer.py", tmp_path / "result.npz"
    script.write_text(CUSTOMER)
    environment = {"PYTHONPATH": str(dlr), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "ignore", str(script), str(artifact), str(result), default]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    with np.load(result) as answers:
        return dict(answers)


def expected(artifact: Path) -> np.ndarray[Any, Any]:
    prediction = np.load(artifact / "evidence" / "prediction.npy")
    assert prediction.dtype == np.float32
    return np.asarray(prediction)


def check_answers(artifact: Path, answers: dict[str, Any]) -> None:
    wanted = expected(artifact)
    assert answers["all"].dtype == np.float32
    assert answers["all"].shape == wanted.shape
    np.testing.assert_array_max_ulp(answers["all"], wanted, 2)
    np.testing.assert_array_equal(answers["named"], answers["all"][:7])
    np.testing.assert_array_equal(answers["one"], answers["all"][:1])


def test_current_dlr_package(artifact: Path, dlr_now: Path, tmp_path: Path) -> None:
    answers = use(dlr_now, artifact, tmp_path)
    check_answers(artifact, answers)
    assert answers["names"].tolist() == ["data", "answer"]
    assert answers["version"] == "1.10.0"


def test_old_dlr_package_by_our_library(artifact: Path, dlr_old: Path, tmp_path: Path) -> None:
    check_answers(artifact, use(dlr_old, artifact, tmp_path))


def test_old_dlr_package_by_its_own_library(artifact: Path, dlr_old: Path, tmp_path: Path) -> None:
    """Release 1.6.0 takes 0.0 for missing, a fault of its own, so rows with zeros are left out."""
    answers = use(dlr_old, artifact, tmp_path, "default")
    assert answers["version"] == "1.6.0"
    nonzero = ~(np.load(artifact / "evidence" / "rows.npy") == 0).any(axis=1)
    assert nonzero.sum() > 100
    np.testing.assert_array_max_ulp(answers["all"][nonzero], expected(artifact)[nonzero], 2)


class Library:
    """The C interface of libdlr.so."""

    def __init__(self, folder: Path) -> None:
        self.native = ctypes.CDLL(str(folder / "libdlr.so"))
        self.native.DLRGetLastError.restype = c_char_p
        self.handle = c_void_p()
        self.folder = folder

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            if getattr(self.native, name)(*arguments) != 0:
                raise OSError(self.error())

        return call

    def error(self) -> str:
        text = self.native.DLRGetLastError()
        assert isinstance(text, bytes)
        return text.decode("ascii")

    def create(self, path: Path | None = None, device: int = CPU) -> None:
        self.CreateDLRModel(byref(self.handle), str(path or self.folder).encode(), device, 0)

    def set_input(self, rows: np.ndarray[Any, Any], name: bytes = b"data") -> None:
        shape = (c_int64 * rows.ndim)(*rows.shape)
        self.SetDLRInput(byref(self.handle), name, shape, c_void_p(rows.ctypes.data), rows.ndim)

    def output(self) -> np.ndarray[Any, Any]:
        shape = (c_int64 * 2)()
        self.GetDLROutputShape(byref(self.handle), 0, shape)
        out = np.empty(tuple(shape), np.float32)
        self.GetDLROutput(byref(self.handle), 0, c_void_p(out.ctypes.data))
        return out


@pytest.fixture(scope="module", params=[np.float32, np.float64])
def model(request: pytest.FixtureRequest, make_model: Callable[..., Model]) -> Model:
    return make_model(dtype=request.param, outputs=2, trees=8)


@pytest.fixture(scope="module")
def folder(
    model: Model,
    compile_plainly: Callable[..., Path],
    x86_64: Target,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("dlr-c")
    misbehave = "if (count > 0 && rows[0] == 1234) return TINSMITH_NO_MEMORY;"
    compile_plainly(model, x86_64, folder, misbehave)
    build_dlr(x86_64, folder / "libdlr.so")
    return folder


@pytest.fixture
def dlr(folder: Path) -> Library:
    library = Library(folder)
    library.create()
    return library


def wanted(model: Model, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return evaluate(model, rows).prediction.astype(np.float32)


def test_the_header_declares_all_of_dlr() -> None:
    assert len(functions()) == 37
    assert {"CreateDLRModel", "GetDLROutputByName", "DLRGetLastError", "SetDLRCustomAllocatorFree"} < {
        *functions()
    }


def test_the_library_exports_what_the_header_declares(dlr: Library) -> None:
    for name in functions():
        assert getattr(dlr.native, name)


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_predicts(dlr: Library, model: Model, count: int) -> None:
    rows = make_rows(model, 100).rows[:count]
    dlr.set_input(rows)
    dlr.RunDLRModel(byref(dlr.handle))
    np.testing.assert_array_equal(dlr.output(), wanted(model, rows))


def test_every_input_replaces_the_one_before(dlr: Library, model: Model) -> None:
    rows = make_rows(model, 100).rows
    for count in (50, 3, 120):
        dlr.set_input(rows[-count:])
        dlr.RunDLRModel(byref(dlr.handle))
        np.testing.assert_array_equal(dlr.output(), wanted(model, rows[-count:]))


def test_columns_that_are_not_given_are_missing(dlr: Library, model: Model) -> None:
    rows = make_rows(model, 100).rows
    short = np.ascontiguousarray(rows[:, :2])
    rows[:, 2:] = np.nan
    dlr.set_input(short)
    dlr.RunDLRModel(byref(dlr.handle))
    np.testing.assert_array_equal(dlr.output(), wanted(model, rows))
    back = np.empty_like(short)
    dlr.GetDLRInput(byref(dlr.handle), b"data", c_void_p(back.ctypes.data))
    np.testing.assert_array_equal(back, short)


def test_input_is_copied(dlr: Library, model: Model) -> None:
    rows = make_rows(model, 100).rows
    given = rows.copy()
    dlr.set_input(given)
    given[:] = 0
    dlr.RunDLRModel(byref(dlr.handle))
    np.testing.assert_array_equal(dlr.output(), wanted(model, rows))


def test_handles_are_independent(dlr: Library, folder: Path, model: Model) -> None:
    other = Library(folder)
    other.create(folder / "compiled.so")
    rows = make_rows(model, 100).rows
    dlr.set_input(rows[:5])
    other.set_input(rows[5:20])
    other.RunDLRModel(byref(other.handle))
    dlr.RunDLRModel(byref(dlr.handle))
    np.testing.assert_array_equal(other.output(), wanted(model, rows[5:20]))
    other.DeleteDLRModel(byref(other.handle))
    assert not other.handle
    np.testing.assert_array_equal(dlr.output(), wanted(model, rows[:5]))


def test_describes_itself(dlr: Library) -> None:
    def number(name: str) -> int:
        value = c_int(-5)
        getattr(dlr, name)(byref(dlr.handle), byref(value))
        return value.value

    def text(name: str, *index: int) -> bytes | None:
        value = c_char_p()
        getattr(dlr, name)(byref(dlr.handle), *index, byref(value))
        return value.value

    assert [number(f"GetDLRNum{what}") for what in ("Inputs", "Outputs", "Weights")] == [1, 1, 0]
    assert text("GetDLRInputName", 0) == b"data"
    assert text("GetDLRInputType", 0) == text("GetDLROutputType", 0) == b"float32"
    assert text("GetDLROutputName", 0) == b"answer"
    assert text("GetDLRBackend") == b"treelite"
    flag = c_bool()
    dlr.GetDLRHasMetadata(byref(dlr.handle), byref(flag))
    assert flag.value
    index = c_int(7)
    dlr.GetDLROutputIndex(byref(dlr.handle), b"answer", byref(index))
    assert index.value == 0
    assert dlr.native.GetDLRDeviceType(b"/anywhere") == CPU


@pytest.mark.parametrize(("what", "columns"), [("Input", 5), ("Output", 2)])
def test_shapes_before_and_after_the_input(dlr: Library, model: Model, what: str, columns: int) -> None:
    def look() -> tuple[int, int, list[int]]:
        size, dim, shape = c_int64(), c_int(), (c_int64 * 2)()
        getattr(dlr, f"GetDLR{what}SizeDim")(byref(dlr.handle), 0, byref(size), byref(dim))
        getattr(dlr, f"GetDLR{what}Shape")(byref(dlr.handle), 0, shape)
        return size.value, dim.value, list(shape)

    assert look() == (-1, 2, [-1, columns])
    dlr.set_input(make_rows(model, 100).rows[:6])
    assert look() == (6 * columns, 2, [6, columns])


def test_output_by_name_and_by_pointer(dlr: Library, model: Model) -> None:
    rows = make_rows(model, 100).rows[:9]
    dlr.set_input(rows)
    dlr.RunDLRModel(byref(dlr.handle))
    named = np.empty((9, 2), np.float32)
    dlr.GetDLROutputByName(byref(dlr.handle), b"answer", c_void_p(named.ctypes.data))
    pointer = POINTER(c_float)()
    dlr.GetDLROutputPtr(byref(dlr.handle), 0, byref(pointer))
    np.testing.assert_array_equal(named, wanted(model, rows))
    np.testing.assert_array_equal(np.ctypeslib.as_array(pointer, (9, 2)), named)


def test_refuses_wrong_inputs(dlr: Library) -> None:
    for rows, text in (
        (np.zeros(5, np.float32), "Mismatch found in input dimension. Value read: 1, Expected: 2"),
        (np.zeros((2, 6), np.float32), "dimension 1. Value read: 6, Expected: 5 or less"),
    ):
        with pytest.raises(OSError, match=text.replace(".", r"\.")):
            dlr.set_input(rows)
    with pytest.raises(OSError, match="'rows' is unknown; the only input is 'data'"):
        dlr.set_input(np.zeros((1, 5), np.float32), b"rows")
    with pytest.raises(OSError, match="number of rows is negative"):
        dlr.SetDLRInput(byref(dlr.handle), b"data", (c_int64 * 2)(-1, 5), None, 2)
    with pytest.raises(OSError, match="Out of memory"):
        dlr.SetDLRInput(byref(dlr.handle), b"data", (c_int64 * 2)(1 << 60, 5), b"x", 2)


def test_answers_need_a_run_on_the_input(dlr: Library, model: Model) -> None:
    with pytest.raises(OSError, match="input has not been set"):
        dlr.RunDLRModel(byref(dlr.handle))
    rows = make_rows(model, 100).rows[:2]
    dlr.set_input(rows)
    dlr.RunDLRModel(byref(dlr.handle))
    dlr.set_input(rows)
    with pytest.raises(OSError, match="not run on its input"):
        dlr.output()


def test_reports_that_the_model_failed(dlr: Library) -> None:
    dlr.set_input(np.full((3, 5), 1234, np.float32))
    with pytest.raises(OSError, match="Out of memory"):
        dlr.RunDLRModel(byref(dlr.handle))


def test_refuses_to_create(dlr: Library, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"requires device type .cpu."):
        dlr.create(device=GPU)
    with pytest.raises(OSError, match=rf"Cannot load '{tmp_path}/compiled\.so'"):
        dlr.create(tmp_path)
    with pytest.raises(OSError, match="too long"):
        dlr.create(tmp_path / ("x" * 5000))
    shutil.copy(dlr.folder / "libdlr.so", tmp_path / "compiled.so")
    with pytest.raises(OSError, match="is not a compiled model"):
        dlr.create(tmp_path)


def test_every_function_survives_a_model_that_is_not_there(dlr: Library) -> None:
    nothing = c_void_p()
    room = ctypes.create_string_buffer(64)
    with_handle = [
        name
        for name in functions()
        if name.startswith(("Get", "Set", "Run", "Delete", "Use")) and "DLRCustom" not in name
    ]
    for name in set(with_handle) - {"GetDLRDeviceType", "GetDLRVersion"}:
        for handle in (byref(nothing), None):
            with pytest.raises(OSError, match=r"nullptr|not supported|not a TVMModel"):
                getattr(dlr, name)(handle, 0, room, None, 0)


def test_each_thread_has_its_own_error(dlr: Library) -> None:
    messages = {}
    barrier = threading.Barrier(20)

    def work(columns: int) -> None:
        with pytest.raises(OSError, match="dimension 1"):
            Library.set_input(dlr, np.zeros((1, columns), np.float32))
        barrier.wait()
        messages[columns] = dlr.error()

    threads = [threading.Thread(target=work, args=(columns,)) for columns in range(10, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f"Value read: {columns}," in text for columns, text in messages.items())
    assert len(messages) == 20


def test_custom_allocators_hold_rows_and_results(folder: Path, model: Model, tmp_path: Path) -> None:
    copy = tmp_path / "copy"  # another file, hence another copy of the library's variables
    shutil.copytree(folder, copy)
    dlr = Library(copy)
    libc = ctypes.CDLL(None)
    libc.malloc.restype = c_void_p
    blocks: list[int] = []

    def allocate(size: int) -> int:
        blocks.append(size)
        return int(libc.malloc(ctypes.c_size_t(size)))

    def release(memory: int) -> None:
        blocks.pop()
        libc.free(c_void_p(memory))

    malloc = ctypes.CFUNCTYPE(c_void_p, ctypes.c_size_t)(allocate)
    free = ctypes.CFUNCTYPE(None, c_void_p)(release)
    dlr.SetDLRCustomAllocatorMalloc(malloc)
    dlr.SetDLRCustomAllocatorFree(free)
    dlr.create()
    rows = make_rows(model, 100).rows[:8]
    dlr.set_input(rows)
    dlr.RunDLRModel(byref(dlr.handle))
    np.testing.assert_array_equal(dlr.output(), wanted(model, rows))
    assert len(blocks) == 2
    dlr.DeleteDLRModel(byref(dlr.handle))
    assert not blocks


def test_needs_nothing_but_the_process_that_loads_it(x86_64: Target, tmp_path: Path) -> None:
    for name in ("LINUX_X86_64", "LINUX_X86", "LINUX_ARM64", "LINUX_ARM_EABI"):
        path = tmp_path / "libdlr.so"
        build_dlr(platforms()[name], path)
        assert b"libc.so" not in path.read_bytes()
