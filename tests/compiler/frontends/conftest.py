"""What tests of several frontends share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError


@pytest.fixture
def problems(read_net: Callable[..., Network]) -> Callable[..., tuple[str, ...]]:
    """`problems(*arguments of read_net, area=...)`: what reading complains of."""

    def refused(*arguments: Any, area: str = "InputConfiguration") -> tuple[str, ...]:
        with pytest.raises(ClientError) as caught:
            read_net(*arguments)
        assert caught.value.area == area
        return caught.value.problems

    return refused
