"""DataInputConfig against the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from tinsmith.compiler.frontends.sklearn.input_config import check_input_config
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]


@pytest.mark.parametrize(
    "text",
    [None, "", " ", '{"data": [1, 6]}', '{"input": [8, 6]}', "{'x': [100, 6]}", "[[3, 6]]", '{"x": [6]}'],
)
def test_what_fits(text: str | None, frontend: Frontend, training: Training) -> None:
    model = frontend.model(DecisionTreeRegressor(max_depth=1).fit(training["rows"], training["number"]))
    check_input_config(text, model)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"data": [1, 7]}',
            r"the input 'data' has the shape \[1, 7\], expected \[1, 6\]: this DecisionTreeReg",
        ),
        ("[[4, 5]]", r"the input 0 has the shape \[4, 5\], expected \[4, 6\]"),
        ('{"a": [1, 6], "b": [1, 7]}', r"names 2 inputs, expected one.*the input 'b' has the shape"),
        ('{"data": ', "is neither JSON nor a Python literal"),
    ],
)
def test_what_contradicts(text: str, problem: str, frontend: Frontend, training: Training) -> None:
    model = frontend.model(DecisionTreeRegressor(max_depth=1).fit(training["rows"], training["number"]))
    with pytest.raises(ClientError, match=problem) as caught:
        check_input_config(text, model)
    assert caught.value.area == "InputConfiguration"
