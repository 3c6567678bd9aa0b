#!/bin/sh
# `supply-chain.sh audit`: what is known against the packages of requirements.lock. Needs https://pypi.org (or, with
# AUDIT_SERVICE=osv, https://api.osv.dev); an index of one's own does not answer such questions. With ADVISORIES=folder, a
# clone of https://github.com/pypa/advisory-database, it needs no network.
# `supply-chain.sh sbom`: build/sbom.cdx.json, the packages that `pip install tinsmith[s3,postgres]` brings, in the locked
# versions. EXTRAS="s3,postgres,ray" takes others. Needs the package index only.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv

if [ "$1" = audit ] && [ -n "${ADVISORIES:-}" ]; then
    exec .venv/bin/python -m tools.advisories "$ADVISORIES" requirements.lock
fi

venv=.cache/supply-chain/tools

if [ ! -f $venv/.ready ] || [ tools/supply-chain.lock -nt $venv/.ready ]; then
    $uv venv --quiet --clear --python .venv/bin/python $venv
    $uv pip install --quiet --python $venv/bin/python --no-deps --require-hashes -r tools/supply-chain.lock
    touch $venv/.ready
fi

case $1 in
audit) .venv/bin/python -m tools.audit $venv/bin/pip-audit requirements.lock "${AUDIT_SERVICE:-pypi}" ;;
sbom)
    installed=.cache/supply-chain/installed
    $uv venv --quiet --clear --python .venv/bin/python $installed
    $uv pip install --quiet --python $installed/bin/python --constraint requirements.lock ./runtime ".[${EXTRAS:-s3,postgres}]"
    find $installed -name direct_url.json -delete  # a folder of this machine
    mkdir -p build
    $venv/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
        --output-file build/sbom.cdx.json $installed/bin/python
    $venv/bin/python tools/sbom.py build/sbom.cdx.json $installed/bin/python $uv
    ;;
esac
