from __future__ import annotations

import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tinsmith.errors import InternalError
from tinsmith.settings import Settings
from tinsmith.worker.engines.envelope import Assignment, opened
from tinsmith.worker.engines.mailbox import Mailbox
from tinsmith.worker.engines.port import EngineUnavailable
from tinsmith.worker.order import AttemptOrder, AttemptResult

if TYPE_CHECKING:
    from tests.worker.engines.conftest import Rig


def request(method: str, url: str, data: bytes | None = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    wanted = urllib.request.Request(url, data, method=method, headers={"Content-Type": ""})
    with opener.open(wanted) as reply:
        content: bytes = reply.read()
        return content


@pytest.fixture
def order(rig: Rig) -> AttemptOrder:
    return rig.order()


@pytest.fixture
def mailbox(rig: Rig) -> Mailbox:
    assert rig.settings.engine.mailbox
    return Mailbox(rig.settings.s3, rig.settings.engine.mailbox, "/scratch")


pytestmark = pytest.mark.parametrize("rig", ["local"], indirect=True)


def opened_by_attempt(envelope: str) -> Assignment:
    def burn(url: str) -> None:
        request("DELETE", url)

    assignment = opened(envelope, lambda url: request("GET", url), burn)
    assert assignment is not None
    return assignment


@pytest.mark.parametrize("seal", [False, True])
def test_an_attempt_with_no_keys_gets_its_order_and_answers(
    mailbox: Mailbox, order: AttemptOrder, seal: bool
) -> None:
    assignment = opened_by_attempt(mailbox.address(order, seal))
    assert AttemptOrder.from_json(assignment.order) == order
    assert assignment.work_dir == "/scratch"
    assert request("GET", assignment.open_url) == b""
    assert mailbox.result(order.name) is None
    assert mailbox.log(order.name) == b""
    request("PUT", assignment.log_url, b"one\n")
    request("PUT", assignment.log_url, b"one\ntwo\n")
    assert mailbox.log(order.name) == b"one\ntwo\n"
    assert mailbox.log(order.name, 4) == b"two\n"
    assert mailbox.log(order.name, 8) == b""
    result = AttemptResult(1, failure_reason="no")
    request("PUT", assignment.result_url, result.to_json().encode())
    assert mailbox.result(order.name) == result


def test_a_closed_mailbox_tells_nothing(mailbox: Mailbox, order: AttemptOrder) -> None:
    envelope = mailbox.address(order, True)
    assignment = opened_by_attempt(mailbox.address(order, True))
    request("PUT", assignment.result_url, AttemptResult(1).to_json().encode())
    mailbox.close(order.name)
    assert mailbox.result(order.name) is None
    with pytest.raises(urllib.error.HTTPError, match="404"):
        request("GET", assignment.open_url)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        opened_by_attempt(envelope)
    mailbox.close(order.name)


def test_a_store_that_is_away_is_no_missing_result(rig: Rig, order: AttemptOrder) -> None:
    away = replace(rig.settings.s3, endpoint_url="http://127.0.0.1:9")
    mailbox = Mailbox(away, "s3://bucket/mailbox")
    for action in (mailbox.result, mailbox.log, mailbox.close):
        with pytest.raises(EngineUnavailable, match="mailbox cannot be reached"):
            action(order.name)
    with pytest.raises(EngineUnavailable):
        mailbox.address(order, True)


@pytest.mark.parametrize("location", ["bucket/prefix", "https://bucket/prefix", "s3://"])
def test_a_mailbox_lies_in_a_bucket(settings: Settings, location: str, rig: Any) -> None:
    with pytest.raises(InternalError, match="expected s3://"):
        Mailbox(settings.s3, location)
