"""Frontends by framework."""

from __future__ import annotations

import pytest

from tinsmith.compiler import frontends
from tinsmith.errors import ClientError
from tinsmith.spec.frameworks import FRAMEWORKS


def test_each_supported_framework_has_a_reader() -> None:
    for framework in FRAMEWORKS:
        assert frontends.load(framework).__module__.endswith(framework.lower())


def test_a_framework_without_a_reader_is_refused_with_those_that_have_one() -> None:
    for framework in ("CAFFE", "xgboost", ""):
        with pytest.raises(ClientError, match=f"Framework {framework} is not .* SKLEARN, .*XGBOOST"):
            frontends.load(framework)
