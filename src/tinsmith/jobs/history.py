"""All that a store knows of one name, and how a line of an export says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tinsmith.jobs.errors import MAX_TAGS
from tinsmith.jobs.job import Job, JobKey, Status


@dataclass(frozen=True)
class Past:
    """One event, without its number, which is the store's."""

    time: float
    kind: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class History:
    """A name's events, oldest first, and its job unless that was deleted."""

    key: JobKey
    job: Job | None
    tags: dict[str, str]
    events: tuple[Past, ...]

    @property
    def title(self) -> str:
        """For messages."""
        return f"job {self.key.name} (account {self.key.account}, {self.key.region})"


def parse(line: bytes, problems: list[str]) -> History | None:
    """The history on `line`; None, and all that is wrong with it, each a sentence, in `problems`."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        problems.append(f"the line is not JSON: {error}.")
        return None
    found: list[str] = []
    values = _members(document, LINE, "", found)
    job = _members(values["job"], JOB, "job.", found) if values.get("job") is not None else None
    pasts = [
        _members(event, EVENT, f"events[{index}].", found)
        for index, event in enumerate(values.get("events") or ())
    ]
    tags = values.get("tags") or {}
    if len(tags) > MAX_TAGS:
        found.append(f"tags: {len(tags)} of them, expected at most {MAX_TAGS}.")
    problems += found
    if found:
        return None
    key = JobKey(values["account"], values["region"], values["name"])
    events = tuple(Past(**event) for event in pasts)
    return History(key, None if job is None else _job(key, job), tags, events)


def _job(key: JobKey, values: dict[str, Any]) -> Job:
    return Job(key, **(values | {"status": Status(values["status"])}))


Test = Callable[[Any], bool]


def _text(longest: int) -> Test:
    return lambda value: isinstance(value, str) and 0 < len(value) <= longest


def _matches(pattern: str) -> Test:
    expression = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_tags(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(128)(key) and _is_value(text) for key, text in value.items())


def _is_value(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 256


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_events(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0


def _or_null(test: Test) -> Test:
    return lambda value: value is None or test(value)


Members = Mapping[str, tuple[Test, str]]
_TIME, _OPTIONAL_TIME = (_is_time, "epoch seconds"), (_or_null(_is_time), "epoch seconds or null")
_OBJECT = (_is_object, "an object")


def _optional_text(longest: int) -> tuple[Test, str]:
    return _or_null(_text(longest)), f"text of 1 to {longest} characters or null"


LINE: Members = {
    "account": (_matches(r"\d{12}"), "12 digits"),
    "region": (_matches(r"[a-z0-9-]{1,32}"), "a region"),
    "name": (_matches(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"), "the name of a job"),
    "job": (_or_null(_is_object), "an object or null"),
    "tags": (_is_tags, "an object of texts"),
    "events": (_is_events, "a list of at least one event"),
}
JOB: Members = {
    "arn": (_text(256), "text of 1 to 256 characters"),
    "request": _OBJECT,
    "status": (set(Status).__contains__, f"one of {', '.join(Status)}"),
    "version": (_is_count, "a whole number"),
    "attempt": (_is_count, "a whole number"),
    "creation_time": _TIME,
    "last_modified_time": _TIME,
    "start_time": _OPTIONAL_TIME,
    "end_time": _OPTIONAL_TIME,
    "failure_reason": _optional_text(1024),
    "artifact_uri": _optional_text(1024),
    "artifact_digest": _optional_text(128),
    "derived_data_input_config": _optional_text(16_384),
    "lease_owner": _optional_text(128),
    "lease_until": _OPTIONAL_TIME,
    "inference_image": _optional_text(256),
}
EVENT: Members = {"time": _TIME, "kind": (_text(32), "text of 1 to 32 characters"), "detail": _OBJECT}


def _members(document: Any, members: Members, path: str, problems: list[str]) -> dict[str, Any]:
    if not isinstance(document, dict):
        problems.append(f"{path.rstrip('.') or 'the line'} is {_shown(document)}, expected an object.")
        return {}
    for name in document.keys() - members.keys():
        problems.append(f"{path}{name} is unknown, expected only {', '.join(members)}.")
    for name, (test, expected) in members.items():
        if name not in document:
            problems.append(f"{path}{name} is missing, expected {expected}.")
        elif not _holds(test, document[name]):
            problems.append(f"{path}{name} is {_shown(document[name])}, expected {expected}.")
    return {name: document[name] for name in members if name in document}


def _holds(test: Test, value: Any) -> bool:
    try:
        return test(value)
    except TypeError:  # a list where a set was asked for it
        return False


def _shown(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}..."
