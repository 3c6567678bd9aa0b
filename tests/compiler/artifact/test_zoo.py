"""A network of each kind through the runtimes that customers have, compared with ONNX Runtime."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from ctypes import byref, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinsmith_runtime
from tests.compiler.artifact.zoo import ZOO, Arrays, assert_close, feed, wanted

CUSTOMER = """
import sys, numpy as np, dlr
folder, given, result, default = sys.argv[1:]
model = dlr.DLRModel(folder, "cpu", 0, None, default == "default")
with np.load(given) as arrays:
    inputs = dict(arrays)
assert sorted(model.get_input_names()) == sorted(inputs), model.get_input_names()
model.run({name: np.zeros_like(array) for name, array in inputs.items()})
answers = model.run(inputs)
named = dict(zip(model.get_output_names(), answers))
np.savez(result, backend=model._impl.backend, version=model.get_version(), **named)
"""


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize(
    ("package_name", "default", "version"),
    [("dlr_now", "", "1.10.0"), ("dlr_old", "", "1.10.0"), ("dlr_old", "default", "1.6.0")],
    ids=["current package", "old package", "DLR's own library"],
)
def test_dlr(
    name: str,
    package_name: str,
    default: str,
    version: str,
    zoo_artifacts: dict[str, Path],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    dlr = request.getfixturevalue(package_name)
    given = feed(name, 1)
    np.savez(tmp_path / "given.npz", **given)  # type: ignore[arg-type]
    (tmp_path / "customer.py").write_text(CUSTOMER)
    environment = {"PYTHONPATH": str(dlr), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [
        sys.executable,
        "-W",
        "ignore",
        "customer.py",
        str(zoo_artifacts[name]),
        "given.npz",
        "result.npz",
    ]
    done = subprocess.run(
        [*command, default], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    with np.load(tmp_path / "result.npz") as answers:
        found = dict(answers)
    assert (found.pop("backend"), found.pop("version")) == ("tvm", version)
    assert_close(found, wanted(name, given))


class Client:
    """A program that uses libdlr.so of an artifact by its C interface."""

    def __init__(self, folder: Path) -> None:
        self._native = ctypes.CDLL(str(folder / "libdlr.so"))
        self._native.DLRGetLastError.restype = c_char_p
        self._handle = c_void_p()
        self.call("CreateDLRModel", str(folder).encode(), 1, 0)

    def call(self, function: str, *arguments: Any) -> None:
        """Raises OSError with DLR's message."""
        if getattr(self._native, function)(byref(self._handle), *arguments):
            raise OSError(self._native.DLRGetLastError().decode())

    def text(self, function: str, index: int) -> str:
        value = c_char_p()
        self.call(function, index, byref(value))
        return (value.value or b"").decode()

    def run(self, given: Arrays) -> Arrays:
        """By names, types and shapes that the library tells."""
        for name, array in given.items():
            self.call(
                "SetDLRInput", name.encode(), (c_int64 * array.ndim)(*array.shape), _at(array), array.ndim
            )
        self.call("RunDLRModel")
        count = c_int()
        self.call("GetDLRNumOutputs", byref(count))
        answers = {}
        for index in range(count.value):
            size, dim = c_int64(), c_int()
            self.call("GetDLROutputSizeDim", index, byref(size), byref(dim))
            shape = (c_int64 * dim.value)()
            self.call("GetDLROutputShape", index, shape)
            out = np.empty(tuple(shape), self.text("GetDLROutputType", index))
            assert out.size == size.value
            self.call("GetDLROutput", index, _at(out))
            answers[self.text("GetDLROutputName", index)] = out
        return answers


def _at(array: np.ndarray[Any, Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)


@pytest.mark.parametrize("name", ZOO)
def test_dlr_in_c(name: str, zoo_artifacts: dict[str, Path]) -> None:
    client = Client(zoo_artifacts[name])
    inputs = [client.text("GetDLRInputName", index) for index in range(len(feed(name)))]
    types = [client.text("GetDLRInputType", index) for index in range(len(feed(name)))]
    assert dict(zip(inputs, types, strict=True)) == {
        key: array.dtype.name for key, array in feed(name).items()
    }
    client.call("SetDLRNumThreads", 2)
    for seed in (2, 3):
        given = feed(name, seed)
        assert_close(client.run(given), wanted(name, given))
    with pytest.raises(OSError, match="not 1 to 256, or the model runs already with another one"):
        client.call("SetDLRNumThreads", 3)
    client.call("DeleteDLRModel")


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("limit", [1, 3])
def test_many_threads_run_one_model(name: str, limit: int, zoo_artifacts: dict[str, Path]) -> None:
    model = tinsmith_runtime.load(zoo_artifacts[name], threads=limit)
    cases = [(given, model.run(given)) for given in (feed(name, seed) for seed in range(4))]
    assert_close(cases[0][1], wanted(name, cases[0][0]))
    failures: list[Any] = []

    def work(start: int) -> None:
        out = {key: np.empty_like(array) for key, array in cases[0][1].items()} if start % 2 else None
        for step in range(start, start + 40):
            given, expected = cases[step % len(cases)]
            answers = model.run(given, out=out)
            if any(answers[key].tobytes() != array.tobytes() for key, array in expected.items()):
                failures.append((start, step))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_runs_keep_no_memory(zoo_artifacts: dict[str, Path]) -> None:
    model = tinsmith_runtime.load(zoo_artifacts["transformer"])
    given = feed("transformer")

    def resident() -> int:
        for _ in range(2000):
            model.run(given)
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    assert resident() - before < 1 << 20
