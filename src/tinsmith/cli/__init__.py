"""The command line. Options are parsed here, once, and handed down as frozen records."""

from __future__ import annotations

import signal
import sys

import typer

from tinsmith.cli import artifacts, compile, doctor, iam, jobs, serve, targets, toolchain, transfer
from tinsmith.cli.console import print_error
from tinsmith.errors import InternalError, TinsmithError

app = typer.Typer(
    name="tinsmith",
    help="Compile trained models to self-contained native libraries, as a service or at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("env")(serve.env)
app.command("compile")(compile.compile_model)
app.command("ls")(jobs.list_jobs)
app.command("logs")(jobs.logs)
app.command("targets")(targets.targets)
app.command("verify")(artifacts.verify)
app.command("inspect")(artifacts.inspect)
app.command("doctor")(doctor.doctor)
app.add_typer(iam.app, name="iam")
app.add_typer(toolchain.app, name="toolchain")
app.add_typer(transfer.app, name="jobs")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 our fault, 2 usage, 3 the model or request is at fault."""
    # Commands tidy up after themselves; the default action of SIGTERM would not let them.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        app()
    except TinsmithError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be written
        print_error(InternalError(str(error)))
        sys.exit(InternalError.exit_code)
