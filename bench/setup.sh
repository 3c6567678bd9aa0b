#!/bin/sh
# The peers' environment: .venv-bench, from its own lock file.
set -eu
[ -f .venv-bench/.ready ] && [ ! bench/requirements.lock -nt .venv-bench/.ready ] && exit 0
python3 -m venv .venv-bench
.venv/bin/uv pip install --quiet --python .venv-bench/bin/python --require-hashes -r bench/requirements.lock
touch .venv-bench/.ready
