"""Kernels on other architectures, under emulators: the margins of the reference, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.calls import Call, Interface, read_answers, write_plan
from tinsmith.compiler.verify.execute import NoMachine, build_runner, find_machine, run_calls
from tinsmith.spec.targets import platforms

TARGETS = ("LINUX_X86", "LINUX_ARM64", "LINUX_ARM_EABIHF", "LINUX_ARM_EABI")
SHAPES: dict[str, dict[str, Any]] = {
    "float32 classes": {"trees": 24, "depth": 7, "outputs": 3, "categories": 0.2},
    "float64 vectors": {"trees": 12, "depth": 8, "outputs": 2, "vector": True, "wide": True},
    "deep float64": {"trees": 9, "depth": 13, "stop": 0.06, "wide": True, "categories": 0.1},
    "deep float32": {"trees": 10, "depth": 12, "stop": 0.05},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("target_name", TARGETS)
def test_margins(
    target_name: str,
    name: str,
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
    tmp_path: Path,
) -> None:
    target = platforms()[target_name]
    try:
        machine = find_machine(target)
    except NoMachine as missing:
        pytest.skip(str(missing))
    model = random_model(shape_of(seed=3, **SHAPES[name]))
    library, program = workshop.compile(model, target)
    rows = rows_for(model, 600, 4)
    expected = evaluate(model, rows).margin
    calls = [Call(0, 600, gap=True, margin=True), Call(3, 17, margin=True), Call(0, 1, margin=True)]
    calls += [Call(1, 129, gap=True, margin=True)]
    write_plan(rows, calls, tmp_path / "plan")
    runner = build_runner(target, tmp_path)
    columns = expected.shape[1]
    interface = Interface(rows.shape[1], columns, columns, expected.dtype.name)
    for kernel in program.facts["kernels"]:
        run_calls(
            machine, runner, library, tmp_path / "plan", tmp_path / "result", {"TINSMITH_KERNEL": kernel}
        )
        for answer in read_answers(tmp_path / "result", calls, interface):
            wanted = expected[answer.call.first : answer.call.first + answer.call.count]
            assert answer.status == 0
            assert answer.out.tobytes() == wanted.tobytes(), (kernel, answer.call)
