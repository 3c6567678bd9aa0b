#!/bin/sh
# The peers' environment: `setup.sh` for trees, `setup.sh networks` for networks, `setup.sh service` for the service.
set -eu
case "${1:-trees}" in
trees) lock=bench/requirements.lock venv=.venv-bench ;;
networks) lock=bench/networks.lock venv=.venv-bench-networks ;;
service) lock=bench/service.lock venv=.venv-bench-service ;;
esac
ready=$venv/.ready
if [ ! -f $ready ] || [ $lock -nt $ready ]; then
    python3 -m venv $venv
    .venv/bin/uv pip install --quiet --python $venv/bin/python --require-hashes -r $lock
    touch $ready
fi
[ "${1:-trees}" = networks ] || exit 0

# Peers that need PyTorch. No lock: its builds for CPUs are of another index than those that hashes are known of, and pip
# takes whichever it is set up for. Whoever cannot install them gets a table without ncnn, LiteRT and inductor.
peers=bench/torch-peers.txt
if [ ! -f $ready-torch ] || [ $peers -nt $ready-torch ]; then
    if $venv/bin/pip install --quiet -r $peers; then
        touch $ready-torch
    else
        echo "bench: no PyTorch, so ncnn, LiteRT and inductor are left out" >&2
    fi
fi
