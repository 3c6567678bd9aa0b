"""The DLR library on networks: by the Python packages that customers have, and by its C interface."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_int64, c_void_p
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.conftest import BIAS, NETWORK_OUTPUTS, TABLE, WEIGHTS
from tinsmith.compiler.artifact.dlr import build_dlr, functions
from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target

X = np.array([[1, 0, 3], [-4, 0.5, 0]], np.float32)
IDS = np.array([4, 0, 2, 3], np.int64)
MASK = np.array([True, False, False, True])
CUSTOMER = """
import sys, numpy as np, dlr
folder, result = sys.argv[1:]
model = dlr.DLRModel(folder, "cpu", 0)
x = np.array([[1, 0, 3], [-4, 0.5, 0]], np.float32)
given = {"ids": np.array([4, 0, 2, 3]), "x": x, "mask": np.array([True, False, False, True])}
first = model.run(given)
echoed = model.get_input("ids")
second = model.run({"x": np.ones((2, 3))})  # float64 becomes float32; the other inputs stay
try:
    model.run({"x": np.zeros((2, 4), np.float32)})
except Exception as error:
    refusal = str(error)
np.savez(
    result,
    names=model.get_input_names() + model.get_output_names(),
    dtypes=model.get_input_dtypes() + model.get_output_dtypes(),
    echoed=echoed, refusal=refusal, backend=model._impl.backend, version=model.get_version(),
    **{f"first{i}": array for i, array in enumerate(first)},
    **{f"second{i}": array for i, array in enumerate(second)},
)
"""


@pytest.fixture(scope="module")
def artifact(
    network: Network,
    compile_network: Callable[..., Program],
    x86_64: Target,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """As a customer unpacks it."""
    folder = tmp_path_factory.mktemp("network")
    target = replace(x86_64, variants=())
    request = CompileRequest("ONNX", "model", platform=TargetPlatform("LINUX", "X86_64"))
    program = compile_network(network, target, folder)
    library = folder / target.library
    packed = package(request, network, target, library, collect(network), folder, None, program)
    with tarfile.open(packed.path) as archive:
        archive.extractall(folder / "artifact", filter="data")
    return folder / "artifact"


def wanted(x: np.ndarray[Any, Any] = X) -> list[np.ndarray[Any, Any]]:
    return [x @ WEIGHTS + BIAS, TABLE[IDS], ~MASK, np.array(np.nonzero(x))]


def use(dlr: Path, script: str, artifact: Path, folder: Path) -> Path:
    """Runs a customer's script with the dlr package in folder `dlr`; gives the .npz file that it writes."""
    (folder / "customer.py").write_text(script)
    result = folder / "result.npz"
    environment = {"PYTHONPATH": str(dlr), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "ignore", str(folder / "customer.py"), str(artifact), str(result)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return result


def test_current_dlr_package(artifact: Path, dlr_now: Path, network: Network, tmp_path: Path) -> None:
    with np.load(use(dlr_now, CUSTOMER, artifact, tmp_path)) as answers:
        assert answers["names"].tolist() == ["x", "ids", "mask", "scores", "rows", "kept", "found"]
        assert answers["dtypes"].tolist() == [
            *(spec.dtype for spec in network.inputs),
            *(tensor.dtype for tensor in NETWORK_OUTPUTS),
        ]
        assert answers["backend"] == "relayvm"
        assert answers["version"] == "1.10.0"
        np.testing.assert_array_equal(answers["echoed"], IDS)
        for index, array in enumerate(wanted()):
            np.testing.assert_array_equal(answers[f"first{index}"], array, strict=True)
        for index, array in enumerate(wanted(np.ones((2, 3), np.float32))):
            np.testing.assert_array_equal(answers[f"second{index}"], array, strict=True)
        assert "Mismatch found in input shape at dimension 1. Value read: 4, Expected: 3" in str(
            answers["refusal"]
        )


OLD_CUSTOMER = """
import sys, numpy as np, dlr
folder, result = sys.argv[1:]
model = dlr.DLRModel(folder)
answer = model.run({"b": np.array([10, 20, 30]), "a": np.array([0.5, -1, 2], np.float32)})
np.savez(result, answer=answer[0], names=model.get_input_names() + model.get_output_names(),
count=len(answer))
"""


@pytest.mark.parametrize("package_name", ["dlr_now", "dlr_old"])
@pytest.mark.parametrize("sizes", [{}, {"shape": [-1], "largest": [3]}])
def test_old_and_current_packages_on_types_that_both_know(
    x86_64: Target, package_name: str, sizes: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Release 1.6.0 knows float32, float64 and integers of 8, 32 and 64 bits only, and no more inputs than
    outputs."""
    tensors = [{"name": "a", "dtype": "float32", "shape": [3]}, {"name": "b", "dtype": "int64", "shape": [3]}]
    result = {"name": "sum", "dtype": "float64", "shape": [3]} | sizes
    source = ECHO.replace("__builtin_memcpy(outputs[0], inputs[0], BYTES);", ADD)
    folder = echo(
        {"inputs": tensors, "outputs": [result, tensors[1]]},
        replace(x86_64, variants=()),
        tmp_path,
        source=source,
    )
    (folder / "compiled.meta").write_text("{}")
    with np.load(use(request.getfixturevalue(package_name), OLD_CUSTOMER, folder, tmp_path)) as answers:
        np.testing.assert_array_equal(answers["answer"], np.array([10.5, 19, 32]), strict=True)
        assert answers["names"].tolist() == ["a", "b", "sum", "b"]
        assert answers["count"] == 2


def test_metadata_tells_names_types_and_shapes(artifact: Path) -> None:
    record = json.loads((artifact / "compiled.meta").read_text())
    assert record["Requirements"]["TargetDeviceType"] == "cpu"
    assert record["Model"] == {
        "Inputs": [
            {"name": "x", "dtype": "float32", "shape": [2, 3]},
            {"name": "ids", "dtype": "int64", "shape": [4]},
            {"name": "mask", "dtype": "bool", "shape": [4]},
        ],
        "Outputs": [
            {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
            for tensor in NETWORK_OUTPUTS
        ],
    }


class Library:
    """The C interface of libdlr.so."""

    def __init__(self, folder: Path) -> None:
        self.native = ctypes.CDLL(str(folder / "libdlr.so"))
        self.native.DLRGetLastError.restype = c_char_p
        self.handle = c_void_p()
        self.call("CreateDLRModel", str(folder).encode(), 1, 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Raises OSError with DLR's message."""
        if getattr(self.native, name)(byref(self.handle), *arguments):
            raise OSError(self.native.DLRGetLastError().decode("ascii"))

    def number(self, name: str, *arguments: Any) -> int:
        value = c_int(-5)
        self.call(name, *arguments, byref(value))
        return value.value

    def text(self, name: str, *arguments: Any) -> str:
        value = c_char_p()
        self.call(name, *arguments, byref(value))
        return (value.value or b"").decode()

    def shape(self, what: str, index: int) -> tuple[int, ...]:
        size, dim = c_int64(), c_int()
        self.call(f"GetDLR{what}SizeDim", index, byref(size), byref(dim))
        shape = (c_int64 * dim.value)()
        self.call(f"GetDLR{what}Shape", index, shape)
        found = tuple(shape)
        assert size.value == (-1 if -1 in found else int(np.prod(found)))
        return found

    def set_input(self, name: str, array: np.ndarray[Any, Any]) -> None:
        shape = (c_int64 * array.ndim)(*array.shape)
        self.call("SetDLRInput", name.encode(), shape, c_void_p(array.ctypes.data), array.ndim)

    def output(self, index: int, dtype: Any, by_name: str = "") -> np.ndarray[Any, Any]:
        out = np.empty(self.shape("Output", index), dtype)
        if by_name:
            self.call("GetDLROutputByName", by_name.encode(), c_void_p(out.ctypes.data))
        else:
            self.call("GetDLROutput", index, c_void_p(out.ctypes.data))
        return out


@pytest.fixture
def dlr(artifact: Path) -> Library:
    return Library(artifact)


def test_describes_itself(dlr: Library) -> None:
    assert [dlr.number(f"GetDLRNum{what}") for what in ("Inputs", "Outputs", "Weights")] == [3, 4, 0]
    assert [dlr.text("GetDLRInputName", index) for index in range(3)] == ["x", "ids", "mask"]
    assert [dlr.text("GetDLROutputType", index) for index in range(4)] == [
        *("float32", "float16", "bool", "int64")
    ]
    assert [dlr.shape("Input", index) for index in range(3)] == [(2, 3), (4,), (4,)]
    assert [dlr.shape("Output", index) for index in range(4)] == [(2, 2), (4, 2), (4,), (2, -1)]
    assert [dlr.number("GetDLROutputIndex", tensor.name.encode()) for tensor in NETWORK_OUTPUTS] == [
        0,
        1,
        2,
        3,
    ]


def test_runs_again_and_again(dlr: Library) -> None:
    dlr.set_input("ids", IDS)
    dlr.set_input("mask", MASK)
    for x in (X, np.zeros_like(X), np.ones_like(X)):
        dlr.set_input("x", x)
        dlr.call("RunDLRModel")
        for index, array in enumerate(wanted(x)):
            found = dlr.output(index, array.dtype)
            np.testing.assert_array_equal(found, array, strict=True)
            named = dlr.output(index, array.dtype, NETWORK_OUTPUTS[index].name)
            np.testing.assert_array_equal(named, array)
            pointer = c_void_p()
            dlr.call("GetDLROutputPtr", index, byref(pointer))
            assert pointer.value


def test_handles_are_independent(artifact: Path, dlr: Library) -> None:
    other = Library(artifact)
    for library, x in ((dlr, X), (other, -X)):
        for name, array in (("x", x), ("ids", IDS), ("mask", MASK)):
            library.set_input(name, array)
    other.call("RunDLRModel")
    dlr.call("RunDLRModel")
    np.testing.assert_array_equal(dlr.output(0, np.float32), wanted()[0])
    np.testing.assert_array_equal(other.output(0, np.float32), wanted(-X)[0])
    other.call("DeleteDLRModel")


def test_refuses_wrong_inputs(dlr: Library) -> None:
    with pytest.raises(OSError, match="Input 'y' is unknown"):
        dlr.set_input("y", X)
    with pytest.raises(OSError, match=r"input dimension\. Value read: 1, Expected: 2"):
        dlr.set_input("x", X[0])
    with pytest.raises(OSError, match=r"input shape at dimension 0\. Value read: 1, Expected: 2"):
        dlr.set_input("x", X[:1])
    with pytest.raises(OSError, match="the data of input 'x' is null"):
        dlr.call("SetDLRInput", b"x", (c_int64 * 2)(2, 3), None, 2)
    for what, last in (("Input", 3), ("Output", 4)):
        for index in (-1, last):
            with pytest.raises(OSError, match=f"{what} index is out of range"):
                dlr.text(f"GetDLR{what}Name", index)
    with pytest.raises(OSError, match="Couldn't find index for output node"):
        dlr.number("GetDLROutputIndex", b"nothing")


def test_every_input_must_be_set_before_a_run(dlr: Library) -> None:
    dlr.set_input("x", X)
    dlr.set_input("mask", MASK)
    with pytest.raises(OSError, match="The input has not been set: 'ids'"):
        dlr.call("RunDLRModel")
    with pytest.raises(OSError, match="has not run"):
        dlr.output(0, np.float32)
    dlr.set_input("ids", IDS)
    dlr.call("RunDLRModel")
    dlr.set_input("x", X)
    with pytest.raises(OSError, match="has not run"):
        dlr.output(0, np.float32)


def test_reports_that_the_network_failed(dlr: Library) -> None:
    dlr.set_input("x", X)
    dlr.set_input("mask", MASK)
    dlr.set_input("ids", IDS + 100)
    with pytest.raises(OSError, match="rejected its input"):
        dlr.call("RunDLRModel")
    with pytest.raises(OSError, match="has not run"):
        dlr.output(0, np.float32)


ADD = """
    for (int i = 0; i < 3; i++)
        ((double *)outputs[0])[i] = ((const float *)inputs[0])[i] + ((const int64_t *)inputs[1])[i];
    __builtin_memcpy(outputs[1], inputs[1], 24);
    if (shapes && shapes[0])
        *shapes[0] = 3;
"""
ECHO = """
#pragma GCC visibility push(default)
#include "tinsmith.h"
#pragma GCC visibility pop
int32_t tinsmith_abi_version(void) { return TINSMITH_ABI_VERSION; }
const char *tinsmith_describe(void) { return DESCRIPTION; }
int32_t tinsmith_run(const void *const *inputs, void *const *outputs, int64_t *const *shapes, uint32_t flags)
{
    (void)shapes, (void)flags;
    __builtin_memcpy(outputs[0], inputs[0], BYTES);
    return TINSMITH_OK;
}
"""


def echo(description: Any, target: Target, folder: Path, count: int = 1, source: str = ECHO) -> Path:
    """A folder with a network that answers with its input of `count` bytes; `description` is text or JSON."""
    text = description if isinstance(description, str) else json.dumps(description)
    (folder / "echo.c").write_text(f"#define BYTES {count}\n#define DESCRIPTION {json.dumps(text)}\n{source}")
    exports = ("tinsmith_abi_version", "tinsmith_describe", "tinsmith_run")
    compile_and_link([folder / "echo.c"], target, folder / target.library, exports=exports)
    build_dlr(target, folder / target.dlr_library)
    return folder


def one(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "a", "dtype": "float32", "shape": []} | changes
    return {"inputs": [tensor], "outputs": [tensor]}


def test_names_of_any_script_and_scalars(x86_64: Target, tmp_path: Path) -> None:
    name = 'naïve "x"/\\\t\u00e9\U0001f600' + "long" * 100
    dlr = Library(echo(one(name=name), replace(x86_64, variants=()), tmp_path, 4))
    assert dlr.text("GetDLRInputName", 0) == dlr.text("GetDLROutputName", 0) == name
    scalar = np.array(1.5, np.float32)
    dlr.set_input(name, scalar)
    dlr.set_input(name, scalar.reshape(1))  # as DLR's Python package gives it
    dlr.call("RunDLRModel")
    assert dlr.output(0, np.float32) == 1.5
    with pytest.raises(OSError, match="Input 'b' is unknown; the only input is 'na\\?\\?ve"):
        dlr.set_input("b", scalar)


@pytest.mark.parametrize(
    ("dtype", "shown", "size"),
    [
        ("bfloat16", "uint16", 2),
        ("float8_e5m2", "uint8", 1),
        ("int4", "int8", 1),
        ("complex128", "complex128", 16),
    ],
)
def test_types_that_numpy_lacks_are_bits(
    x86_64: Target, tmp_path: Path, dtype: str, shown: str, size: int
) -> None:
    folder = echo(one(dtype=dtype, shape=[3]), replace(x86_64, variants=()), tmp_path, 3 * size)
    dlr = Library(folder)
    assert dlr.text("GetDLRInputType", 0) == shown
    values = np.arange(3).astype(shown)
    dlr.set_input("a", values)
    dlr.call("RunDLRModel")
    np.testing.assert_array_equal(dlr.output(0, shown), values)


@pytest.mark.parametrize(
    "description",
    [
        *("", "{", "[]", '{"inputs": [], "outputs": 3', '{"inputs": []}', '{"inputs": [{}], "outputs": []}'),
        one(dtype="string"),
        one(dtype=7),
        one(shape=None),
        one(shape=["x"]),
        one(shape=[1] * 33),
        one(shape=[2**70]),
        one(shape=[-1]),
        one(shape=[-1], largest=[]),
        one(shape=[-1], largest=[-1]),
    ],
)
def test_refuses_networks_whose_description_it_cannot_read(
    x86_64: Target, tmp_path: Path, description: Any
) -> None:
    folder = echo(description, replace(x86_64, variants=()), tmp_path)
    with pytest.raises(OSError, match="is not a compiled model of this version"):
        Library(folder)


def test_the_header_s_functions_are_all_there(dlr: Library) -> None:
    assert all(hasattr(dlr.native, name) for name in functions())
