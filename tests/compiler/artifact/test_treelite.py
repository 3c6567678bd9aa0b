"""Treelite's own runtimes, new and old, run the compiled library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CUSTOMER = """
import sys, numpy as np, treelite_runtime
folder, result = sys.argv[1:]
predictor = treelite_runtime.Predictor(folder + "/compiled.so")
rows = np.load(folder + "/evidence/rows.npy")
rows = rows[~np.isinf(rows).any(axis=1)]
if hasattr(treelite_runtime, "DMatrix"):
    batch = treelite_runtime.DMatrix(rows)
else:
    batch = treelite_runtime.Batch.from_npy2d(rows)
np.savez(result, prediction=predictor.predict(batch), features=predictor.num_feature)
"""


@pytest.mark.parametrize("release", ["installed", "treelite_runtime==1.0.0", "treelite_runtime==0.93"])
def test_treelite_runtime(artifact: Path, wheel: Callable[[str], Path], release: str, tmp_path: Path) -> None:
    script, result = tmp_path / "customer.py", tmp_path / "result.npz"
    script.write_text(CUSTOMER)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    if release != "installed":
        environment["PYTHONPATH"] = str(wheel(release))
    command = [sys.executable, "-W", "ignore", str(script), str(artifact), str(result)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    rows = np.load(artifact / "evidence" / "rows.npy")
    wanted = np.load(artifact / "evidence" / "prediction.npy")[~np.isinf(rows).any(axis=1)]
    with np.load(result) as answers:
        assert answers["features"] == rows.shape[1]
        np.testing.assert_array_max_ulp(answers["prediction"].reshape(wanted.shape), wanted, 2)
