from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.jobs.conftest import make_job
from tinsmith.cli import app
from tinsmith.errors import ClientError, InternalError
from tinsmith.jobs.store import Store
from tinsmith.settings import Settings


def test_jobs_move_from_one_data_folder_to_another(tmp_path: Path) -> None:
    store = Store.open(Settings.under(tmp_path / "here").database_url)
    store.add(make_job("a"), {"k": "v"})
    store.close()
    file = tmp_path / "jobs.jsonl"
    run = CliRunner().invoke
    done = run(app, ["jobs", "export", str(file), "--data-dir", str(tmp_path / "here")])
    assert (done.exit_code, done.stderr) == (0, "Exported 1 names.\n")
    assert json.loads(file.read_text())["tags"] == {"k": "v"}
    to = ["jobs", "import", str(file), "--data-dir", str(tmp_path / "there")]
    assert run(app, to).stderr == "Imported 1 names; 0 were here already.\n"
    assert run(app, to).stderr == "Imported 0 names; 1 were here already.\n"
    store = Store.open(Settings.under(tmp_path / "there").database_url)
    assert store.tags(make_job("a").arn) == {"k": "v"}
    store.close()


def test_a_broken_file_is_the_users_fault(tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text("{}\n[]\n")
    done = CliRunner().invoke(app, ["jobs", "import", str(file), "--data-dir", str(tmp_path / "d")])
    assert isinstance(done.exception, ClientError)
    assert len(done.exception.problems) == 7


def test_an_export_of_nothing_makes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    done = CliRunner().invoke(app, ["jobs", "export", str(file), "--data-dir", str(tmp_path / "none")])
    assert isinstance(done.exception, InternalError)
    assert not file.exists()
    assert not (tmp_path / "none").exists()
