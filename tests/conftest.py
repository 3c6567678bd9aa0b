"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real models; `make corpus-fetch` fills it."""
    default = Path(__file__).parent.parent / ".cache" / "corpus"
    folder = Path(os.environ.get("TINSMITH_CORPUS", default))
    if not (folder / "xgboost-cfb-ep" / "model.tar.gz").exists():
        pytest.skip("the corpus is not here: run `make corpus-fetch`")
    return folder
