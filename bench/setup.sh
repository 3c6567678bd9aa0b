#!/bin/sh
# The peers' environment, from its own lock file: `setup.sh` for trees, `setup.sh networks` for networks.
set -eu
case "${1:-trees}" in
trees) lock=bench/requirements.lock venv=.venv-bench ;;
networks) lock=bench/networks.lock venv=.venv-bench-networks ;;
esac
[ -f $venv/.ready ] && [ ! $lock -nt $venv/.ready ] && [ ! bench/setup.sh -nt $venv/.ready ] && exit 0
python3 -m venv $venv
.venv/bin/uv pip install --quiet --python $venv/bin/python --require-hashes -r $lock
touch $venv/.ready
