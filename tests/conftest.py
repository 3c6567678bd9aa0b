"""What several test files share."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import pytest

from tests.postgres import postgres

__all__ = ["postgres"]

NO_TELEMETRY = '{"enable_phone_home": false}'
"""Content of the dlr package's `counter/ccm_config.json`; without this file its import already calls home."""


def pytest_configure() -> None:
    """What a shell ignores for commands in the background, all that the tests start would ignore, too."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real models; `make corpus-fetch` fills it."""
    default = Path(__file__).parent.parent / ".cache" / "corpus"
    folder = Path(os.environ.get("TINSMITH_CORPUS", default))
    if not (folder / "xgboost-cfb-ep" / "model.tar.gz").exists():
        pytest.skip("the corpus is not here: run `make corpus-fetch`")
    return folder


@pytest.fixture(scope="session")
def dlr_now(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed `dlr` package, unmodified but told not to phone home."""
    spec = find_spec("dlr")
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path_factory.mktemp("dlr")
    copytree(Path(spec.origin).parent, folder / "dlr")
    (folder / "dlr" / "counter" / "ccm_config.json").write_text(NO_TELEMETRY)
    return folder
