from __future__ import annotations

import sys
import unicodedata

import pytest

from tinsmith.api.model import OPERATIONS, compile_pattern, operations


def test_operations_are_loaded_once_with_all_shapes_resolved() -> None:
    loaded = operations()
    assert tuple(loaded) == OPERATIONS
    assert operations() is loaded
    create = loaded["CreateCompilationJob"].input
    assert create.required == {"CompilationJobName", "RoleArn", "OutputConfig", "StoppingCondition"}
    tags = create.members["Tags"]
    assert tags.element is loaded["AddTags"].input.members["Tags"].element
    assert tags.element is not None
    assert tags.element.required == {"Key", "Value"}


def test_only_stop_and_delete_have_no_output() -> None:
    silent = {name for name, operation in operations().items() if operation.output is None}
    assert silent == {"StopCompilationJob", "DeleteCompilationJob"}


def test_constraints_say_what_they_test() -> None:
    status = operations()["ListCompilationJobs"].input.members["StatusEquals"]
    (only,) = status.constraints
    assert only.text == (
        "Member must satisfy enum value set: [INPROGRESS, COMPLETED, FAILED, STARTING, STOPPING, STOPPED]"
    )
    assert only.holds("STOPPED")
    assert not only.holds("Stopped")


def test_tag_pattern_is_exactly_letters_separators_numbers_and_signs() -> None:
    matches = compile_pattern(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)").fullmatch
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        expected = category[0] in "LZN" or character in "_.:/=+-@"
        assert (matches(character) is not None) == expected, f"U+{code:04X} {category}"


@pytest.mark.parametrize("terminator", ["\n", "\r", "\u0085", "\u2028", "\u2029"])
def test_dot_stops_at_line_terminators(terminator: str) -> None:
    assert compile_pattern(".*").fullmatch("a b")
    assert not compile_pattern(".*").fullmatch(f"a{terminator}b")
    assert compile_pattern(r"[.\r\n]").fullmatch(".")
    assert not compile_pattern(r"[.]").fullmatch("x")
    assert not compile_pattern(r"a\.b").fullmatch("axb")


def test_digits_and_spaces_are_ascii() -> None:
    assert not compile_pattern(r"\d").fullmatch("\u0664")
    assert compile_pattern(r"[\S]").fullmatch("\u00a0")


def test_unicode_classes_without_underscore_are_refused() -> None:
    with pytest.raises(ValueError, match="only known together"):
        compile_pattern(r"[\p{L}\p{N}]*")
