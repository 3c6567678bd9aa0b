"""What the frameworks themselves predict with possibly damaged model files.

python framework_predict.py ROWS.npy FILE...      writes FILE.npy beside each file that the framework loads

Each file is loaded in a process of its own, which it may crash.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import xgboost


def predict(path: Path, rows: Path) -> None:
    """Margins of XGBoost, probabilities of scikit-learn."""
    values = np.load(rows)
    if path.suffix == ".pkl":
        with warnings.catch_warnings(action="error"):
            prediction = pickle.loads(path.read_bytes()).predict_proba(values)
    else:
        booster = xgboost.Booster({"nthread": 1}, model_file=str(path))
        prediction = booster.predict(xgboost.DMatrix(values), output_margin=True)
    np.save(f"{path}.npy", prediction)


def main() -> None:
    rows, *files = map(Path, sys.argv[1:])
    for path in files:
        child = os.fork()
        if child == 0:
            try:
                predict(path, rows)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
