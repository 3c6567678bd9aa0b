"""Windows' own loader (Wine's) takes the libraries: what the runner's loader cannot show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.wine import windows, wine
from tinsmith.compiler.artifact.dlr import build_dlr, header
from tinsmith.compiler.backends.native.build import build, compile_and_link
from tinsmith.compiler.backends.native.trees.emit import emit
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.rows import make_rows
from tinsmith.spec.targets import devices

SOURCE = Path(__file__).parent / "c" / "windows_customer.c"


def initialiser(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
    words = array.astype("<f4").view("<u4").ravel()
    return ", ".join(f"{{.bits = {word:#x}}}" for word in words.tolist())


@pytest.mark.slow
def test_a_windows_program_predicts(make_model: Callable[..., Model], tmp_path: Path) -> None:
    if wine() is None:
        pytest.skip("wine is not installed")
    target = replace(devices()["x86_win64"], variants=())
    model = make_model(outputs=2)
    rows = make_rows(model, 100).rows
    program = tmp_path / "program"
    program.mkdir()
    build(emit(model, target, program), target, tmp_path / "compiled.dll")
    build_dlr(target, tmp_path / "dlr.dll")
    (tmp_path / "dlr.h").write_bytes(header())
    answers = evaluate(model, rows).prediction
    (tmp_path / "expected.h").write_text(
        f"enum {{ COUNT = {len(rows)}, FEATURES = {rows.shape[1]}, COLUMNS = {answers.shape[1]} }};\n"
        f"union word {{ uint32_t bits; float value; }};\n"
        f"static const union word row_words[] = {{{initialiser(rows)}}};\n"
        f"static const union word answer_words[] = {{{initialiser(answers)}}};\n"
        "#define rows ((const float *)row_words)\n#define answers ((const float *)answer_words)\n"
    )
    shutil.copy(SOURCE, tmp_path)
    compile_and_link([tmp_path / SOURCE.name], target, tmp_path / "customer.exe", kind="executable")
    with windows(tmp_path, {}) as machine:
        done = machine.run(["customer.exe"], tmp_path)
    assert done.returncode == 0, done.stderr.decode()
