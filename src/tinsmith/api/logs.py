"""The operations of CloudWatch Logs that `aws logs` and boto3 need, over the store of logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tinsmith.api.errors import ApiError
from tinsmith.identity.owner import Owner
from tinsmith.telemetry.logs import LogEvent, LogGroup, LogsError, LogStore, LogStream, Place, Span
from tinsmith.telemetry.patterns import parse_pattern

T = TypeVar("T")

MODEL, PREFIX = "logs/2014-03-28", "Logs_20140328."
RETENTIONS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""Days that PutRetentionPolicy takes."""
MAX_BATCH_BYTES, EVENT_OVERHEAD = 1_048_576, 26
"""Of PutLogEvents: a batch's size is that of its messages in UTF-8, and so much for each."""
DEFAULT_EVENTS, DEFAULT_PAGE = 10_000, 50


@dataclass(frozen=True, slots=True)
class LogsCall:
    """One request that fits its shape."""

    logs: LogStore
    owner: Owner
    request: Mapping[str, Any]

    def arn(self, rest: str) -> str:
        """Of a log group or stream."""
        return self.owner.arn("logs", f"log-group:{rest}")

    @property
    def group(self) -> str:
        """The group that is meant, by name or by ARN."""
        name = self.request.get("logGroupName")
        identifier = self.request.get("logGroupIdentifier")
        if (name is None) == (identifier is None):
            raise _invalid("Exactly one of logGroupName and logGroupIdentifier is expected.")
        prefix = self.arn("")
        return str(name or str(identifier).removeprefix(prefix).removesuffix(":*"))

    @property
    def resource(self) -> str:
        """ARN of what the request is about, as policies name it: a stream, or all of a group."""
        group = self.request.get("logGroupName") or self.request.get("logGroupIdentifier")
        if group is None:
            return self.arn("*")
        return self.arn(f"{self.group}:log-stream:{self.request.get('logStreamName', '')}")


Output = dict[str, Any] | None


def answer(operation: str, call: LogsCall) -> Output:
    """The reply's content. Raises ApiError."""
    try:
        return HANDLERS[operation](call)
    except LogsError as error:
        raise ApiError(error.code, error.message) from error


def create_log_group(call: LogsCall) -> Output:
    """Keys and tags are accepted and have no meaning."""
    call.logs.create_group(call.owner, call.request["logGroupName"])
    return None


def delete_log_group(call: LogsCall) -> Output:
    """With all its streams."""
    call.logs.delete_group(call.owner, call.request["logGroupName"])
    return None


def describe_log_groups(call: LogsCall) -> Output:
    """By name; the token is the number of the next one."""
    prefix, part = call.request.get("logGroupNamePrefix", ""), call.request.get("logGroupNamePattern", "")
    if prefix and part:
        raise _invalid("Only one of logGroupNamePrefix and logGroupNamePattern is expected.")
    found = [
        group
        for group in call.logs.groups(call.owner)
        if group.name.startswith(prefix) and part.lower() in group.name.lower()
    ]
    page, rest = _page(found, call.request)
    return {"logGroups": [_group(call, group) for group in page], **rest}


def put_retention_policy(call: LogsCall) -> Output:
    """One of the periods that CloudWatch Logs knows."""
    days = call.request["retentionInDays"]
    if days not in RETENTIONS:
        raise _invalid(f"retentionInDays: expected one of {', '.join(map(str, RETENTIONS))}, found {days}.")
    call.logs.keep(call.owner, call.request["logGroupName"], days)
    return None


def delete_retention_policy(call: LogsCall) -> Output:
    """Events are kept for ever."""
    call.logs.keep(call.owner, call.request["logGroupName"], None)
    return None


def create_log_stream(call: LogsCall) -> Output:
    """In a group that is there."""
    call.logs.create_stream(call.owner, call.request["logGroupName"], call.request["logStreamName"])
    return None


def delete_log_stream(call: LogsCall) -> Output:
    """With its events."""
    call.logs.delete_stream(call.owner, call.request["logGroupName"], call.request["logStreamName"])
    return None


def describe_log_streams(call: LogsCall) -> Output:
    """By name, or by the time of the last event, which a prefix excludes."""
    by_time = call.request.get("orderBy") == "LastEventTime"
    prefix = call.request.get("logStreamNamePrefix", "")
    if by_time and prefix:
        raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    found = [stream for stream in call.logs.streams(call.owner, call.group) if stream.name.startswith(prefix)]
    if by_time:
        found.sort(key=lambda stream: stream.last_event or 0)
    if call.request.get("descending"):
        found.reverse()
    page, rest = _page(found, call.request)
    return {"logStreams": [_stream(call, stream) for stream in page], **rest}


def put_log_events(call: LogsCall) -> Output:
    """Sequence tokens are accepted and returned, and have no meaning, as with the service."""
    events = [(event["timestamp"], event["message"]) for event in call.request["logEvents"]]
    size = sum(len(message.encode()) + EVENT_OVERHEAD for _, message in events)
    if size > MAX_BATCH_BYTES:
        raise _invalid(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")
    rejected = call.logs.put(call.owner, call.request["logGroupName"], call.request["logStreamName"], events)
    info = {"tooOldLogEventEndIndex": rejected.old_end, "tooNewLogEventStartIndex": rejected.new_start}
    info = {name: index for name, index in info.items() if index is not None}
    return {"nextSequenceToken": "0", **({"rejectedLogEventsInfo": info} if info else {})}


def get_log_events(call: LogsCall) -> Output:
    """One stream. Without a token the newest events, unless startFromHead.

    At an end of the stream the token for that direction stays the same, whereby clients know.
    """
    request = call.request
    direction, place = _direction(request.get("nextToken"))
    newest = direction == "b" or (direction is None and not request.get("startFromHead", False))
    span = Span(
        request.get("startTime"),
        request.get("endTime"),
        after=place if direction == "f" else None,
        before=place if direction == "b" else None,
    )
    limit = request.get("limit", DEFAULT_EVENTS)
    streams = (request["logStreamName"],)
    events = call.logs.read(call.owner, call.group, span, limit, streams=streams, newest=newest)
    here = place or (request.get("startTime") or 0, 0)
    first, last = (events[0].place, events[-1].place) if events else (here, here)
    return {
        "events": [
            {"timestamp": event.time, "message": event.message, "ingestionTime": event.ingestion}
            for event in events
        ],
        "nextForwardToken": _token("f", last),
        "nextBackwardToken": _token("b", first),
    }


def filter_log_events(call: LogsCall) -> Output:
    """Several streams, in the order of time."""
    request = call.request
    streams, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix", "")
    if streams is not None and prefix:
        raise _invalid("Only one of logStreamNames and logStreamNamePrefix is expected.")
    try:
        pattern = parse_pattern(request.get("filterPattern", ""))
    except ValueError as error:
        raise _invalid(str(error)) from None
    direction, place = _direction(request.get("nextToken"))
    if direction == "b":
        raise _invalid("The specified nextToken is invalid.")
    limit = request.get("limit", DEFAULT_EVENTS)
    span = Span(request.get("startTime"), _after(request.get("endTime")), after=place)
    events = call.logs.read(
        call.owner, call.group, span, limit + 1, streams=streams, prefix=prefix, pattern=pattern
    )
    more = len(events) > limit
    events = events[:limit]
    rest = {"nextToken": _token("f", events[-1].place)} if more else {}
    return {"events": [_filtered(event) for event in events], "searchedLogStreams": [], **rest}


HANDLERS: Mapping[str, Callable[[LogsCall], Output]] = {
    "CreateLogGroup": create_log_group,
    "DeleteLogGroup": delete_log_group,
    "DescribeLogGroups": describe_log_groups,
    "PutRetentionPolicy": put_retention_policy,
    "DeleteRetentionPolicy": delete_retention_policy,
    "CreateLogStream": create_log_stream,
    "DeleteLogStream": delete_log_stream,
    "DescribeLogStreams": describe_log_streams,
    "PutLogEvents": put_log_events,
    "GetLogEvents": get_log_events,
    "FilterLogEvents": filter_log_events,
}


def _invalid(text: str) -> ApiError:
    return ApiError("InvalidParameterException", text)


def _after(end: int | None) -> int | None:
    """FilterLogEvents takes the end with it, GetLogEvents does not."""
    return None if end is None else end + 1


def _token(direction: str, place: Place) -> str:
    return f"{direction}/{place[0]}/{place[1]}"


def _direction(token: str | None) -> tuple[str | None, Place | None]:
    if token is None:
        return None, None
    direction, *numbers = token.split("/")
    if (
        direction not in ("f", "b")
        or len(numbers) != 2
        or not all(it.isascii() and it.isdigit() for it in numbers)
    ):
        raise _invalid("The specified nextToken is invalid.")
    return direction, (int(numbers[0]), int(numbers[1]))


def _page(everything: Sequence[T], request: Mapping[str, Any]) -> tuple[Sequence[T], dict[str, Any]]:
    token = request.get("nextToken", "0")
    if not (token.isascii() and token.isdigit()):
        raise _invalid("The specified nextToken is invalid.")
    first = int(token)
    end = first + request.get("limit", DEFAULT_PAGE)
    return everything[first:end], ({"nextToken": str(end)} if end < len(everything) else {})


def _group(call: LogsCall, group: LogGroup) -> dict[str, Any]:
    fields = {
        "logGroupName": group.name,
        "creationTime": group.created,
        "retentionInDays": group.retention_days,
        "metricFilterCount": 0,
        "arn": call.arn(f"{group.name}:*"),
        "logGroupArn": call.arn(group.name),
        "storedBytes": group.stored_bytes,
        "logGroupClass": "STANDARD",
    }
    return {name: value for name, value in fields.items() if value is not None}


def _stream(call: LogsCall, stream: LogStream) -> dict[str, Any]:
    fields = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first_event,
        "lastEventTimestamp": stream.last_event,
        "lastIngestionTime": stream.last_ingestion,
        "uploadSequenceToken": "0",
        "arn": call.arn(f"{call.group}:log-stream:{stream.name}"),
        "storedBytes": 0,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _filtered(event: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "timestamp": event.time,
        "message": event.message,
        "ingestionTime": event.ingestion,
        "eventId": f"{event.id:056d}",
    }
