from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.errors import ClientError
from tinsmith.spec.data_input import FREE, InputConfig, Range, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"input":[1,1024,1024,3]}', [("input", (1, 1024, 1024, 3))]),
        (
            '{"data1": [1,28,28,1], "data2":[1,28,28,1]}',
            [("data1", (1, 28, 28, 1)), ("data2", (1, 28, 28, 1))],
        ),
        ("[[1,3,224,224]]", [(None, (1, 3, 224, 224))]),
        ("[[1,3,224,224], [1,3,224,224]]", [(None, (1, 3, 224, 224)), (None, (1, 3, 224, 224))]),
        ("{'input':[1,224,224,3]}", [("input", (1, 224, 224, 3))]),
        (
            "{'data':[1, 3, 224, 224], 'softmax_label':[1]}",
            [("data", (1, 3, 224, 224)), ("softmax_label", (1,))],
        ),
        ('{"input_tensor:0": [1, 224, 224, 3]}', [("input_tensor:0", (1, 224, 224, 3))]),
        ('{"scalar": []}', [("scalar", ())]),
        ('{"x": [-1, 12]}', [("x", (FREE, 12))]),
    ],
)
def test_documented_examples(text: str, expected: list[tuple[str | None, tuple[int, ...]]]) -> None:
    assert [(config.name, config.shapes) for config in parse(text)] == [
        (n, (shape,)) for n, shape in expected
    ]


def test_core_ml_parameters() -> None:
    (image,) = parse(
        '{"input_1": {"shape": [[1,224,224,3],[1,160,160,3]], "default_shape": [1,224,224,3],'
        ' "type": "Image", "bias": [-1,-1,-1], "scale": 0.007843137255}}'
    )
    assert image == InputConfig(
        "input_1",
        ((1, 224, 224, 3), (1, 160, 160, 3)),
        (1, 224, 224, 3),
        "Image",
        (-1.0, -1.0, -1.0),
        0.007843137255,
    )
    (ranged,) = parse('[{"shape": ["1..10", 224, 224, 3], "default_shape": [1, 224, 224, 3]}]')
    assert ranged.shapes == ((Range(1, 10), 224, 224, 3),)
    assert ranged.static_shape is None
    assert image.static_shape is None
    assert parse('{"x": {"shape": [1, 2]}}')[0].static_shape == (1, 2)
    assert parse("[[-1, 2]]")[0].static_shape is None


@pytest.mark.parametrize(
    ("text", "shapes", "default"),
    [
        ('{"input_1": {"shape": [1,224,224,3]}}', ((1, 224, 224, 3),), None),
        ('{"input_1": {"shape": ["1..10", 224, 224, 3]}}', ((Range(1, 10), 224, 224, 3),), None),
        (
            '{"input_1": {"shape": [[1, 224, 224, 3], [1, 160, 160, 3]]}}',
            ((1, 224, 224, 3), (1, 160, 160, 3)),
            None,
        ),
        (
            '{"input_1": {"shape": ["1..10", 224, 224, 3], "default_shape": [1, 224, 224, 3]}}',
            ((Range(1, 10), 224, 224, 3),),
            (1, 224, 224, 3),
        ),
        (
            '[{"shape": [[1,3,224,224], [1,3,160,160]], "default_shape": [1,3,224,224]}]',
            ((1, 3, 224, 224), (1, 3, 160, 160)),
            (1, 3, 224, 224),
        ),
    ],
)
def test_documented_shapes_of_core_ml(
    text: str, shapes: tuple[object, ...], default: tuple[int, ...] | None
) -> None:
    for spelling in (text, text.replace('"', "'")):
        (config,) = parse(spelling)
        assert config.shapes == shapes
        assert config.default_shape == default


@pytest.mark.parametrize(
    ("text", "character", "words"),
    [
        ("{'data': [1,3,224,'x']}", 19, "expected a dimension"),
        ("{'data': [1,3,null,4]}", 15, "found null"),
        ("{'data': [1,0]}", 13, "found 0"),
        ("{'data': [1,-1]}", 13, "found -1"),
        ("{'data': [1,2147483648]}", 13, "found 2147483648"),
        ("{'data': [1,2.0]}", 13, "found 2.0"),
        ("{'data': [True]}", 11, "found True"),
        ("{'data': 5}", 10, "expected a shape"),
        ("[1,3,224,224]", 1, "found a bare shape"),
        ("'x'", 1, "expected {name: shape}"),
        ("{}", 1, "an empty dictionary"),
        ("[]", 1, "an empty list"),
        ("{'': [1]}", 6, "an empty one"),
        ("{'a': {'shape': ['10..1']}}", 18, "a range of growing"),
        ("{'a': ['1..2']}", 8, "expected a dimension (a whole number), found '1..2'"),
        ("{'a': {'shape': ['1..-1']}}", 18, "a range such as '1..10'), found '1..-1'"),
        ("{'a': {'shape': [['1..2', 3]]}}", 19, "expected a dimension (a whole number), found '1..2'"),
        ("{'a': {'shape': [[1, 3], [1]]}}", 17, "enumerated shapes of one number of dimensions"),
        ("{'a': {'shape': [1], 'bias': [1, 'x']}}", 34, "expected a number"),
        ("{'a': {'shape': [1], 'type': 'image'}}", 30, "expected the type 'Tensor' or 'Image'"),
        ("{'a': [1], 'a': [2]}", 12, "every name only once"),
        ("{a: [1]}", 2, "a name in quotes"),
        ("{'a': [1]} x", 12, "nothing more"),
        ("{'a': {'type': 'Image'}}", 7, "expected a shape"),
        ("{'a': {'shape': [1], 'type': 'Image'}}", 7, "needs bias and scale"),
        ("{'a': {'shape': [1], 'typ': 1}}", 29, "unknown parameter 'typ'"),
        ("{'a': {'shape': ['1..3'], 'default_shape': [4]}}", 44, "not one that shape allows"),
        ("{'a': {'shape': [1], 'scale': 'x'}}", 31, "expected a number"),
        ("{'a': {'shape': [1], 'scale': 1e999}}", 31, "finite"),
        ("{'data': [1,3,224,224}", 22, "a comma or ]"),
    ],
)
def test_mistakes_point_at_their_character(text: str, character: int, words: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse(text)
    assert caught.value.area == "InputConfiguration"
    assert f"character {character}," in str(caught.value)
    assert words in str(caught.value)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ClientError) as caught:
        parse("{'a': [0, 'x'], 'b': 7, 'c': {'shape': [1], 'bias': 3}}")
    assert len(caught.value.problems) == 4


shapes = st.lists(st.integers(1, 2**31 - 1), max_size=6)


@given(st.dictionaries(st.text(min_size=1), shapes, min_size=1, max_size=4))
def test_every_dictionary_of_shapes_is_read(config: dict[str, list[int]]) -> None:
    for text in (json.dumps(config), repr(config)):
        assert {item.name: item.static_shape for item in parse(text)} == {
            k: tuple(v) for k, v in config.items()
        }


@given(st.text(max_size=50))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with suppress(ClientError):
        assert parse(text)
