from __future__ import annotations

import json
import logging

from tinsmith.cli.log_format import JsonFormatter


def line(message: str, *arguments: object, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("tinsmith.x", logging.WARNING, "file", 1, message, arguments, None)
    record.created = 1_767_225_700.25
    record.__dict__.update(extra)
    content: dict[str, object] = json.loads(JsonFormatter().format(record))
    return content


def test_a_line_is_one_object() -> None:
    assert line("two\nlines and %s", "ä") == {
        "time": "2026-01-01T00:01:40.250+00:00",
        "level": "WARNING",
        "logger": "tinsmith.x",
        "message": "two\nlines and ä",
    }


def test_it_says_what_it_is_about() -> None:
    assert line("x", request_id="1", job="j")["request_id"] == "1"
    try:
        raise ValueError("broken")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "file", 1, "m", (), (ValueError, error, error.__traceback__)
        )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: broken" in json.loads(text)["exception"]
