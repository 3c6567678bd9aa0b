#!/bin/sh
# Installs the emulators that verification uses for other CPUs, and bubblewrap, where apt and root are at hand;
# elsewhere says what to install. Tinsmith works without them: jobs for such targets then fail unless the
# operator allows unverified artifacts. With the argument `wine`, that too: tests load our DLLs in it. With
# `sanitizers`, the Clang that tests compile generated C with, for AddressSanitizer and UndefinedBehaviorSanitizer. With
# `postgresql`, the server that tests start for the job store; no cluster of its own is made. With `slurm`, that too:
# tests start one. With `network`, the program that they make network namespaces with. With `awscli`, version 2 of it. With
# `darknet`, Darknet itself, which `make breadth` asks. With `clients`, the AWS CLI 2, Node.js with npm, Go and the AWS SDK for
# it, which `make clients` tries.
set -eu

missing=""
command -v qemu-aarch64-static >/dev/null 2>&1 || missing="$missing qemu-user-static"
command -v bwrap >/dev/null 2>&1 || missing="$missing bubblewrap"
for wanted in "$@"; do
    case $wanted in
    wine) command -v wine >/dev/null 2>&1 || missing="$missing wine wine64" ;;
    network) command -v ip >/dev/null 2>&1 || missing="$missing iproute2" ;;
    slurm) command -v sbatch >/dev/null 2>&1 && command -v munged >/dev/null 2>&1 || missing="$missing slurm-wlm munge" ;;
    darknet) [ -e /usr/lib/darknet/libdarknet.so ] || missing="$missing darknet" ;;
    sanitizers) command -v clang-19 >/dev/null 2>&1 || missing="$missing clang-19 libclang-rt-19-dev" ;;
    awscli) [ -x /usr/bin/aws ] || missing="$missing awscli" ;;
    clients)
        [ -x /usr/bin/aws ] || missing="$missing awscli"
        command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
        command -v go >/dev/null 2>&1 || missing="$missing golang-go"
        [ -d /usr/share/gocode/src/github.com/aws/aws-sdk-go-v2 ] || missing="$missing golang-github-aws-aws-sdk-go-v2-dev"
        ;;
    postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    fi
fi
if ! command -v apt-get >/dev/null 2>&1 || { [ "$(id -u)" != 0 ] && [ -z "$as_root" ]; }; then
    echo "Not installed:$missing. Targets that need them cannot be verified here. With root: apt-get install$missing" >&2
    exit 0
fi
echo "Installing$missing ..."
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
