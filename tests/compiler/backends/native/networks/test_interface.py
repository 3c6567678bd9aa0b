from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.backends.native.networks.interface import c_string, network_interface
from tinsmith.compiler.ir.loops import Loops
from tinsmith.compiler.ir.scalars import Size
from tinsmith.compiler.ir.scalars import Tensor as ComputedTensor
from tinsmith.spec.targets import platforms
from tinsmith_runtime.manifest import Tensor


class CTensor(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("largest", ctypes.POINTER(ctypes.c_int64)),
        ("bytes", ctypes.c_size_t),
        ("rank", ctypes.c_int32),
        ("type", ctypes.c_int32),
    )


TENSORS = (
    Tensor('na\u00efve "x"\\??/\n7', "float32", (2, 3)),
    Tensor("", "bool", ()),
    Tensor("found", "int64", (2, -1), (2, 60)),
    Tensor("b", "bfloat16", (0, 4)),
    Tensor("i", "int4", (3,)),
)
SOURCE = """
#include "tinsmith.h"
#include "network_interface.h"
#pragma GCC visibility push(default)
const struct tinsmith_tensor tensors[] = {TS_INPUT_TENSORS TS_OUTPUT_TENSORS};
const int64_t dimensions[] = {TS_OUTPUT_DIMENSIONS 0};
#pragma GCC visibility pop
"""


def test_c_sees_the_tensors(tmp_path: Path) -> None:
    unknown = Size("n", 60)
    outputs = (ComputedTensor("f", "int64", (2, unknown)),)
    loops = Loops(inputs=(), outputs=outputs, stages=())
    (tmp_path / "network_interface.h").write_text(
        network_interface(TENSORS, TENSORS[2:3], loops, {Size("m", 1): 0, unknown: 1})
    )
    (tmp_path / "tensors.c").write_text(SOURCE)
    library = tmp_path / "tensors.so"
    exports = ("tensors", "dimensions")
    compile_and_link([tmp_path / "tensors.c"], platforms()["LINUX_X86_64"], library, exports=exports)
    native = ctypes.CDLL(str(library))
    found = (CTensor * 6).in_dll(native, "tensors")
    for wanted, tensor, size, kind in zip(
        (*TENSORS, TENSORS[2]), found, (24, 1, 960, 0, 3, 960), (1, 9, 7, 16, 22, 7), strict=True
    ):
        assert tensor.name.decode() == wanted.name
        assert tuple(tensor.shape[: tensor.rank]) == wanted.shape
        assert tuple(tensor.largest[: tensor.rank]) == wanted.bounds
        assert (tensor.bytes, tensor.type) == (size, kind)
    assert list((ctypes.c_int64 * 3).in_dll(native, "dimensions")) == [2, -2, 0]


@pytest.mark.parametrize(
    ("text", "literal"),
    [("x", '"x"'), ("a\tb", '"a\\011b"'), ("\u00e91", '"\\303\\2511"'), ("??/", '"\\077\\077/"')],
)
def test_strings_of_c(text: str, literal: str) -> None:
    assert c_string(text) == literal
