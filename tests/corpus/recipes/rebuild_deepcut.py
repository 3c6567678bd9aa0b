"""Architecture and weights of the package deepcut in one HDF5 file.

    python rebuild_deepcut.py DEEPCUT_FOLDER TARGET_FOLDER

Runs in the toolchain tensorflow. Writes deepcut_full.h5, which holds the time at which it was written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import tf_keras  # noqa: F401  (stands in for tensorflow.keras below)


def main(package: Path, target: Path) -> None:
    """By the package's own function."""
    source = (
        (package / "deepcut/model.py").read_text(encoding="utf-8").replace("tensorflow.keras", "tf_keras")
    )
    space: dict[str, Any] = {}
    exec(compile(source, "model.py", "exec"), space)
    model = space["get_convo_nn2"]()
    model.load_weights(str(package / "deepcut/weight/cnn_without_ne_ab.h5"))
    model.save(str(target / "deepcut_full.h5"), include_optimizer=False)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
