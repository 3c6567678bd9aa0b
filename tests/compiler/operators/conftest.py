from __future__ import annotations

from pathlib import Path

import pytest

from tests.onnx_suite.nodes import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    """An empty collection of nodes that becomes one library."""
    return Nodes(tmp_path)
