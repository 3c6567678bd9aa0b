from __future__ import annotations

import subprocess
import sys


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_compiler_is_up_without_sympy() -> None:
    assert run("import sys, tinsmith.compiler.pipeline; print('sympy.core' in sys.modules)") == "False"


def test_it_is_there_once_sizes_are_unknown() -> None:
    program = """
import tinsmith.compiler
import onnx_ir
print(onnx_ir.SymbolicDim("n") * 2 + 3)
print(onnx_ir.SymbolicDim("n") + 1 == onnx_ir.SymbolicDim("n") + 1)
"""
    assert run(program).splitlines() == ["2*n + 3", "True"]


def test_installing_twice_does_nothing() -> None:
    program = """
import sys, tinsmith.compiler
from tinsmith.compiler.on_demand import install
before = list(sys.meta_path)
install()
print(before == sys.meta_path)
"""
    assert run(program) == "True"
