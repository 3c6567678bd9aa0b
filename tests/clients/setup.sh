#!/bin/sh
# The clients that are in no lock file, each in a folder of its own below .cache/clients: the SageMaker SDK (PyPI), the
# SDK for JavaScript (npm) and a program around the SDK for Go (Debian's sources of it). What cannot be installed here
# is said and left out: `make clients` then calls it not installed.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD/.cache/clients
mkdir -p "$root"

if [ ! -f "$root/sagemaker/.ready" ]; then
    python3 -m venv "$root/sagemaker"
    if .venv/bin/uv pip install --quiet --python "$root/sagemaker/bin/python" "sagemaker>=2.250,<3"; then
        touch "$root/sagemaker/.ready"
    fi
fi

if ! command -v npm >/dev/null 2>&1; then
    echo "clients: no npm, so the SDK for JavaScript is left out" >&2
elif [ ! -d "$root/javascript/node_modules/@aws-sdk/client-s3" ]; then
    mkdir -p "$root/javascript"
    (cd "$root/javascript" && echo '{"private": true}' >package.json &&
        npm install --no-audit --no-fund --loglevel=error @aws-sdk/client-sagemaker@3 @aws-sdk/client-s3@3)
fi

source=tests/clients/programs/go/main.go
if ! command -v go >/dev/null 2>&1 || [ ! -d /usr/share/gocode/src/github.com/aws/aws-sdk-go-v2 ]; then
    echo "clients: no Go or no SDK for it, so that one is left out" >&2
elif [ ! -f "$root/go/client" ] || [ $source -nt "$root/go/client" ]; then
    (cd tests/clients/programs/go && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$root/go/cache" \
        go build -p 1 -o "$root/go/client" .)
fi
