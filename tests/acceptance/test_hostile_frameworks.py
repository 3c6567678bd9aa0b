"""Hostile models of every framework through the running service: refused, or contained where code must run.

With `-s` a table of all of them is printed.
"""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.acceptance.hostile import written_outside
from tests.acceptance.hostile_frameworks import MARK, framework_probes
from tests.acceptance.models import boosted
from tests.acceptance.service import Service
from tests.acceptance.test_hostile import Outcome
from tinsmith.compiler import toolchains
from tinsmith.errors import ClientError

pytestmark = pytest.mark.slow

CANARY = secrets.token_hex(16)


@pytest.fixture(scope="module")
def outcomes(service: Service) -> Iterator[dict[str, Outcome]]:
    """All models, as jobs that have run to their ends."""
    try:
        toolchains.find("pytorch")
    except ClientError as error:
        pytest.skip(str(error))
    secret = service.data_dir / "identities.json"
    secret.write_text(CANARY)
    secret.chmod(0o600)
    client = service.client("sagemaker")
    inputs = list(framework_probes(secret))
    for number, probe in enumerate(inputs):
        assert probe.content is not None
        uri = service.put(f"frameworks/{number}.tar.gz", probe.content)
        request = service.request(f"framework-{number}", uri, probe.framework, "LINUX/X86_64")
        if probe.config is not None:
            request["InputConfig"]["DataInputConfig"] = probe.config
        if probe.max_runtime is not None:
            request["StoppingCondition"]["MaxRuntimeInSeconds"] = probe.max_runtime
        client.create_compilation_job(**request)
    ended = {
        probe.name: Outcome(probe, service.await_status(f"framework-{number}", "COMPLETED", "FAILED"))
        for number, probe in enumerate(inputs)
    }
    yield ended
    table = Table("model", "held", "how", "reason", box=None, header_style="bold")
    for name, outcome in ended.items():
        how = "contained" if outcome.probe.contained else "refused"
        table.add_row(name, "yes" if outcome.held else "NO", how, outcome.reason[:300] or "compiled as it is")
    Console(width=220, markup=False, highlight=False).print(table)


def test_every_model_is_refused_or_contained(outcomes: dict[str, Outcome]) -> None:
    wrong = [
        f"{name}: {outcome.reason or 'compiled'}" for name, outcome in outcomes.items() if not outcome.held
    ]
    assert len(outcomes) > 30
    assert not wrong, "\n".join(wrong)


def test_nothing_was_written_outside(service: Service, outcomes: dict[str, Outcome]) -> None:
    assert not Path(MARK).exists()
    assert written_outside(service.data_dir) == []


def test_no_secret_got_out(service: Service, outcomes: dict[str, Outcome]) -> None:
    """Neither into a reason, a log, nor an artifact; nor did the key of the object store."""
    wanted = (CANARY, service.env["AWS_SECRET_ACCESS_KEY"])
    texts = [log.read_text() for log in (service.data_dir / "logs").iterdir()]
    texts += [outcome.reason for outcome in outcomes.values()]
    artifacts = [
        service.get(outcome.job["ModelArtifacts"]["S3ModelArtifacts"])
        for outcome in outcomes.values()
        if outcome.compiled
    ]
    texts += [gzip.decompress(artifact).decode("latin-1") for artifact in artifacts]
    assert len(texts) >= 2 * len(outcomes)
    assert [text[:200] for text in texts if any(secret in text for secret in wanted)] == []


def test_the_service_is_unharmed(service: Service, outcomes: dict[str, Outcome]) -> None:
    assert service.is_healthy()
    assert not service.compilers()
    uri = service.put("good/model.tar.gz", boosted().tarball)
    service.client("sagemaker").create_compilation_job(**service.request("good", uri))
    service.await_status("good", "COMPLETED")
