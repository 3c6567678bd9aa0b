"""Random requests from botocore's service models: valid ones, ones that break one rule, and broken bytes.

What replies show (names, tokens, keys, ciphertexts) comes back in later requests.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import botocore.session

PREFIXES = {
    "sagemaker": "SageMaker.",
    "logs": "Logs_20140328.",
    "cloudwatch": "GraniteServiceVersion20100801.",
    "kms": "TrentService.",
}
ACCOUNT, REGION = "000000000000", "us-east-1"
KNOWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/tinsmith"
NAMES = 40
"""Of jobs: few, so that they collide."""

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -0.0, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**400, 1e308,
    float("nan"), float("inf"), -1e18, 1e18, 253402300800, -62135596801, 9e15,
    "", " ", "\0", "a\0b", "a\x01\x1b[0m\ufffe", "\ud800", "\udfff\ud800", "\u202egnp", "\ufeff", "e\u0301",
    "😀" * 300, "\U0010ffff", "ﷺ" * 80, "\r\n\r\nX: y", "../../../etc/passwd", "'; DROP TABLE jobs; --",
    "%s%n{}{0}", "x" * 70_000,
    [], {}, [[]], [None], {"": None}, {"\0": "\0"}, ["a", 1, None], "NaN", "1e5", "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "0001-01-01", "s3://b/\n",
    "arn:aws:" + ":" * 300,
)  # fmt: skip
SLOW = ("s3://{}/\n", "arn:aws{}:", "{}-", "arn:aws:sagemaker:{}", "{}\n", "alias/{}/", "1.{}\n")
"""Around a long run of one letter: what makes a careless regular expression slow."""
SLOWEST = {"S3Uri": SLOW[0], "S3OutputLocation": SLOW[0]}
"""For members whose pattern is known to be one."""

Samples = dict[str, Callable[[Random], Any]]


def _name(random: Random) -> str:
    return f"job-{random.randrange(NAMES)}"


SAMPLES: Samples = {
    "CompilationJobName": _name,
    "RoleArn": lambda random: random.choice((KNOWN_ROLE, KNOWN_ROLE, f"arn:aws:iam::{ACCOUNT}:role/nobody")),
    "ResourceArn": lambda random: f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:compilation-job/{_name(random)}",
    "ModelPackageVersionArn": lambda random: f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/m/1",
    "S3Uri": lambda random: random.choice(("s3://models/m.tar.gz", "https://s3.amazonaws.com/b/k", "s3://b")),
    "S3OutputLocation": lambda random: random.choice(("s3://models/out", "s3://out/")),
    "DataInputConfig": lambda random: random.choice(('{"data": [1, 6]}', "[[1,6]]", "nonsense", "{'d':[1]}")),
    "FrameworkVersion": lambda random: random.choice(("1.5", "2.9", "1.8", "9.z")),
    "CompilerOptions": lambda random: random.choice(('"--verbose 1"', '{"mattr": ["+neon"]}', "{}", '{"a')),
    "KmsKeyId": lambda random: random.choice(("alias/a", "1234", "")),
    "NameContains": lambda random: random.choice(("job", "1", "x-y")),
    "logGroupName": lambda random: random.choice(("/aws/sagemaker/CompilationJobs", "g1", "g2")),
    "logStreamName": lambda random: random.choice(("job/1", "s1", "s2")),
    "filterPattern": lambda random: random.choice(
        ("ERROR", '"a b"', "{ $.a = 1 }", "[a, b]", "-x ?y", "%a+%", "")
    ),
    "AliasName": lambda random: random.choice(("alias/a", "alias/b", "alias/aws/x", "alias")),
    "Stat": lambda random: random.choice(("Average", "p99", "tm90", "p", "SampleCount", "IQM")),
    "Namespace": lambda random: random.choice(("N", "AWS/SageMaker")),
    "MetricName": lambda random: random.choice(("M", "Duration")),
    "Period": lambda random: random.choice((1, 60, 300, 7)),
}
LEARNED = {
    "TargetKeyId": "KeyId",
    "DestinationKeyId": "KeyId",
    "SourceKeyId": "KeyId",
    "Marker": "NextMarker",
}
"""Members whose values come from replies' members of other names."""


@dataclass(frozen=True)
class Payload:
    """An operation of a service, and the body that asks for it."""

    service: str
    operation: str
    body: bytes
    kind: str
    """`valid`, `violation` or `broken`."""


class Generator:
    """Payloads by a seed and by what was learned from replies."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._seen: dict[str, deque[str]] = {}

    def learn(self, reply: object) -> None:
        """Remembers strings of a reply by the names of their members."""
        for name, value in _strings(reply):
            self._seen.setdefault(name, deque(maxlen=20)).append(value)

    def payload(self, service: str, operations: tuple[str, ...]) -> Payload:
        """Half of them valid as far as the model tells."""
        operation = self.random.choice(operations)
        document = self._valid(_model(service).operation_model(operation).input_shape)
        kind = self.random.choices(("valid", "violation", "broken"), (50, 35, 15))[0]
        if kind == "violation":
            document = self._violated(document)
        body = json.dumps(document, ensure_ascii=self.random.random() < 0.5 or _has_halves(document)).encode()
        return Payload(service, operation, self._broken(body) if kind == "broken" else body, kind)

    def _valid(self, shape: Any, name: str = "") -> Any:
        random = self.random
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            few = max(shape.metadata.get("min", 0), random.choice((0, 1, 1, 2, 3)))
            return [self._valid(shape.member) for _ in range(few)]
        if kind == "map":
            return {f"k{number}": self._valid(shape.value) for number in range(random.randrange(3))}
        if kind == "string":
            return self._string(shape, name)
        if kind == "blob":
            return self._learned(name) or b64encode(random.randbytes(random.randrange(1, 40))).decode()
        if kind == "boolean":
            return random.random() < 0.5
        if kind == "timestamp":
            return random.choice((1_700_000_000, 1.79e9, "2026-11-30T00:00:00Z", random.randrange(2**31)))
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
        return SAMPLES[name](random) if name in SAMPLES else random.randint(low, max(low, high))

    def _structure(self, shape: Any) -> dict[str, Any]:
        wanted = {
            name for name in shape.members if name in shape.required_members or self.random.random() < 0.3
        }
        if shape.name == "CreateCompilationJobRequest":
            wanted |= {"InputConfig"}
            wanted -= {"ModelPackageVersionArn"} if self.random.random() < 0.9 else {"InputConfig"}
        if shape.name == "OutputConfig" and "TargetDevice" in shape.members:
            wanted -= {"TargetDevice", "TargetPlatform"}
            wanted |= {self.random.choice(("TargetDevice", "TargetPlatform"))}
        return {name: self._valid(shape.members[name], name) for name in shape.members if name in wanted}

    def _string(self, shape: Any, name: str) -> str:
        random = self.random
        if shape.enum:
            return str(random.choice(shape.enum))
        if random.random() < 0.6 and (learned := self._learned(name)):
            return learned
        if name in SAMPLES:
            return str(SAMPLES[name](random))
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 20)
        return "".join(random.choices("abcXYZ019", k=random.randint(low, max(low, min(high, 20)))))

    def _learned(self, name: str) -> str | None:
        seen = self._seen.get(LEARNED.get(name, name)) or (
            self._seen.get("NextToken") if name.lower().endswith("token") else None
        )
        return self.random.choice(seen) if seen else None

    def _violated(self, document: Any) -> Any:
        """One place of `document` is something else."""
        places = list(_places(document))
        if not places:
            return self.random.choice(ODD)
        holder, key = self.random.choice(places)
        match self.random.randrange(8):
            case 0:
                del holder[key]
            case 1:
                holder[key] = [holder[key]] * self.random.choice((2, 51, 2000))
            case 2:
                holder[key] = json.loads("[" * 200 + "]" * 200)
            case 3 if isinstance(holder[key], str):
                holder[key] = holder[key] * self.random.choice((2, 100, 3000))
            case 4 if self.random.random() < 0.3:
                length = self.random.choice((1_000, 30_000, 500_000))
                holder[key] = SLOWEST.get(key, self.random.choice(SLOW)).format("a" * length)
            case 5 if isinstance(holder, dict):
                holder[self.random.choice((str(key).lower(), f"{key}\0", "Unknown"))] = holder[key]
            case _:
                holder[key] = self.random.choice(ODD)
        return document

    def _broken(self, body: bytes) -> bytes:
        """No JSON, or JSON that few would send."""
        random = self.random
        cut = random.randrange(len(body))
        flipped = bytearray(body)
        flipped[cut] = random.randrange(256)
        return random.choice(
            (
                body[:cut], bytes(flipped), body + b"}", body * 2, body.replace(b'"', b"'"),
                b"\xef\xbb\xbf" + body, body.decode().encode("utf-16"), random.randbytes(300),
                b"", b"null", b"[]", b"1", b'"x"', b" \t\r\n", b"\0",
                b"Action=ListMetrics&Version=2010-08-01",
                b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900, b"{" + b'"k":1,' * 3000 + b'"k":2}',
                body.replace(b"{", b'{"CompilationJobName":"twice",', 1),
                re.sub(rb"(\d+)", rb"\g<1>e999", body, count=1),
            )
        )  # fmt: skip


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _strings(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                yield name, inner
            else:
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value[:3]:
            yield from _strings(inner)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and the key or index of something in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _has_halves(value: Any) -> bool:
    """Whether a string has half of a UTF-16 pair, which UTF-8 cannot write."""
    return any("\ud800" <= letter <= "\udfff" for letter in json.dumps(value, ensure_ascii=False))
