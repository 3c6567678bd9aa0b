from __future__ import annotations

import pytest

from tinsmith.compiler.frontends.pytorch.inputs import Dtypes, Wanted, order_warning, wanted_inputs
from tinsmith.compiler.frontends.pytorch.traced import TracedInput
from tinsmith.errors import ClientError

TRACED = (TracedInput("float32", (1, 3)), TracedInput("int64", (2,)))


def test_names_and_shapes_in_order() -> None:
    wanted = (Wanted("b", None, (1, 3)), Wanted("a", None, (2,)))
    assert wanted_inputs('{"b": [1, 3], "a": [2]}', (), None) == wanted
    assert wanted_inputs("[[1, 3], []]", (), None) == (Wanted(None, None, (1, 3)), Wanted(None, None, ()))


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((), ["float32", "int64"]),
        (("int64",), ["int64", "int64"]),
        (("int64", "float32"), ["int64", "float32"]),
        ({"b": "bool"}, ["float32", "bool"]),
    ],
)
def test_dtypes(dtypes: Dtypes, expected: list[str]) -> None:
    inputs = wanted_inputs('{"a": [1, 3], "b": [2]}', dtypes, TRACED)
    assert inputs is not None
    assert [one.dtype for one in inputs] == expected


def test_what_a_trace_tells() -> None:
    assert wanted_inputs(None, (), TRACED) == (Wanted(None, "float32", (1, 3)), Wanted(None, "int64", (2,)))
    assert wanted_inputs(" ", (), None) is None
    assert wanted_inputs("[[4, 3]]", (), TRACED) == (Wanted(None, None, (4, 3)),)


@pytest.mark.parametrize(
    ("config", "dtypes", "text"),
    [
        ('{"a": [1, 3], "b": [-1, 2]}', (), "the input 'b' has a size that is open"),
        ('[{"shape": ["1..3", 3]}]', (), "the input '0' has a size that is open"),
        ('{"a": [null, 3]}', (), "expected a dimension"),
        ('{"a": {"shape": [1], "type": "Image", "bias": [1], "scale": 1}}', (), "only Core ML"),
        (
            '{"a": [1]}',
            ("int64", "int64"),
            "dtype has 2 element types, expected one, or one for each of the 1",
        ),
        ('{"a": [1]}', {"b": "int64"}, "dtype names 'b'; the inputs that DataInputConfig names are 'a'"),
        ("[[1]]", {"b": "int64"}, "names are none"),
    ],
)
def test_contradictions(config: str, dtypes: Dtypes, text: str) -> None:
    with pytest.raises(ClientError, match=text):
        wanted_inputs(config, dtypes, None)


def test_another_order_than_the_lexical_one_is_said() -> None:
    assert order_warning(wanted_inputs('{"a": [1], "b": [1]}', (), None)) == ()
    assert order_warning(wanted_inputs("[[1], [2]]", (), None)) == ()
    assert "b, a;" in order_warning(wanted_inputs('{"b": [1], "a": [1]}', (), None))[0]
