"""The query protocol, which all clients speak with STS and older ones with CloudWatch: a form in, XML out.

Action=PutMetricData&Version=2010-08-01&Namespace=n&MetricData.member.1.MetricName=m&MetricData.member.1.Value=5
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from tinsmith.api.errors import ApiError
from tinsmith.api.model import Shape

CONTENT_TYPE = "application/x-www-form-urlencoded"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry, not even escaped."""
_NUMBERS = ("integer", "long", "double")
_SPELLINGS = {
    "ValidationException": "ValidationError",
    "SerializationException": "MalformedInput",
    "UnknownOperationException": "InvalidAction",
}
"""Errors of JSON services that have other names here, beside the refusals, which know theirs."""


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises ApiError."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    except ValueError as error:
        raise ApiError("MalformedQueryString", f"The request body is not a form: {error}") from None


def document(shape: Shape, fields: Mapping[str, str]) -> Any:
    """What JSON would have carried. A form that does not fit the shape gives what validation refuses."""
    return _document(shape, _tree(fields))


@dataclass(slots=True)
class _Node:
    """What the fields say whose names share their beginning."""

    text: str | None = None
    inner: dict[str, _Node] = field(default_factory=dict)


def _tree(fields: Mapping[str, str]) -> _Node:
    """Takes time by the size of the form, however many items its lists have."""
    root = _Node()
    for name, text in fields.items():
        node = root
        for part in name.split("."):
            node = node.inner.setdefault(part, _Node())
        node.text = text
    return root


def _document(shape: Shape, node: _Node) -> Any:
    if shape.type == "structure":
        known = ((name, node.inner.get(name)) for name in shape.members)
        return {name: _document(shape.members[name], inner) for name, inner in known if inner is not None}
    if shape.type == "list" and shape.element is not None:
        return [_document(shape.element, item) for item in _items(node)]
    return {} if node.text is None else _scalar(shape, node.text)


def _items(node: _Node) -> Iterator[_Node]:
    """From number 1 on, until one is missing."""
    members = node.inner.get("member", _Node()).inner
    for number in range(1, len(members) + 1):
        if (item := members.get(str(number))) is None:
            return
        yield item


def _scalar(shape: Shape, text: str) -> Any:
    """Numbers and truth values as JSON has them; what is none stays a text, which validation refuses."""
    if shape.type == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if shape.type in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def reply(operation: str, namespace: str, shape: Shape | None, content: Any, request_id: str) -> bytes:
    """The XML of a success."""
    root = ElementTree.Element(f"{operation}Response", xmlns=namespace)
    if shape is not None:
        _fill(ElementTree.SubElement(root, f"{operation}Result"), shape, content)
    metadata = ElementTree.SubElement(root, "ResponseMetadata")
    ElementTree.SubElement(metadata, "RequestId").text = request_id
    return ElementTree.tostring(root)


def spelled(error: ApiError) -> ApiError:
    """`error` in the words of this protocol."""
    if error.query_code:
        status = 400 if error.query_code == "IncompleteSignature" else 403
        return ApiError(error.query_code, error.message, status)
    return ApiError(_SPELLINGS.get(error.code, error.code), error.message, error.status)


def error_reply(error: ApiError, namespace: str, request_id: str) -> bytes:
    """The XML of an error."""
    root = ElementTree.Element("ErrorResponse", xmlns=namespace)
    body = ElementTree.SubElement(root, "Error")
    kind = "Sender" if error.status < 500 else "Receiver"
    for name, text in (("Type", kind), ("Code", error.code), ("Message", error.message)):
        ElementTree.SubElement(body, name).text = _text(text)
    ElementTree.SubElement(root, "RequestId").text = request_id
    return ElementTree.tostring(root)


def _fill(element: ElementTree.Element, shape: Shape, content: Any) -> None:
    if shape.type == "structure":
        for name, value in content.items():
            _fill(ElementTree.SubElement(element, name), shape.members[name], value)
    elif shape.type == "list" and shape.element is not None:
        for value in content:
            _fill(ElementTree.SubElement(element, "member"), shape.element, value)
    elif shape.type == "map" and shape.element is not None:
        for key, value in content.items():
            entry = ElementTree.SubElement(element, "entry")
            ElementTree.SubElement(entry, "key").text = key
            _fill(ElementTree.SubElement(entry, "value"), shape.element, value)
    elif shape.type == "timestamp":
        moment = datetime.fromtimestamp(content, UTC)
        element.text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    elif shape.type == "boolean":
        element.text = str(content).lower()
    else:
        element.text = _text(str(content))


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
