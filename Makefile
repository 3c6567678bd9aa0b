# The front door. Every target first makes `.venv` and is quick when nothing has changed.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
SHARDED = $(if $(SHARD),--shard $(SHARD)) $(if $(JOBS),--jobs $(JOBS))
export TINSMITH_CORPUS ?= $(CURDIR)/.cache/corpus

.PHONY: help setup system toolchains demo test quick check format docs bench bench-trees bench-networks bench-corpus bench-service soak tuning-tables corpus corpus-fetch fuzz onnx-suite sklearn breadth sanitize engines faults hostile iam-agreement clients fuzz-api audit sbom lock clean

help:
	@sed -n 's/^## //p' Makefile

## setup         .venv with everything the other targets need
setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --require-hashes -r requirements.lock
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --no-build-isolation -e runtime -e .
	@touch $@

## system        the emulators that verify other CPUs, and bubblewrap (by apt, where root is at hand)
system:
	@sh tools/system-packages.sh

## toolchains    the frameworks that read their own models or answer for them, each in an environment of its own
toolchains: setup
	@for name in pytorch tensorflow tflite; do $(RUN)/tinsmith toolchain install $$name || exit 1; done

## demo          nothing to a real model compiled through the API and predicted with
demo: setup system
	$(RUN)/python demo/demo.py

## test          the whole test suite
test: setup corpus-fetch
	@sh tools/system-packages.sh wine sanitizers postgresql slurm network awscli
	$(RUN)/pytest -n 2 --dist worksteal

## quick         the test suite without the slow tests
quick: setup
	$(RUN)/pytest -n 2 --dist worksteal -m "not slow"

## check         format, lint, types, import contracts, sizes
check: setup
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	PYTHONPATH=src:runtime/src $(RUN)/lint-imports --no-cache
	$(RUN)/python tools/size.py

## format        rewrite the sources as `check` wants them
format: setup
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

## docs          docs/operators.md and docs/targets.md, made from the sources
docs: setup
	$(RUN)/python -m tools.operators_page
	$(RUN)/python -m tools.targets_page

## bench         side by side with the peers, written to docs/benchmarks.md and docs/benchmarks-networks.md
bench: bench-trees bench-networks

bench-trees: setup corpus-fetch
	sh bench/setup.sh
	$(RUN)/python -m bench

## bench-networks  the networks only; goes on where it was stopped
bench-networks: setup corpus-fetch
	sh bench/setup.sh networks
	$(RUN)/python -m bench.network_speed --engines all --threads 1,2 --resume
	$(RUN)/python -m bench.network_speed batched --batch 8 --engines onnxruntime,openvino,ncnn --threads 1,2 --resume --page

## bench-corpus  what compiling each model of the corpus costs, into docs/benchmarks.md; goes on where it was stopped
bench-corpus: setup corpus-fetch
	$(RUN)/python -m bench.corpus_cost --resume

## bench-service  the service's load, beside moto_server, written to docs/benchmarks-service.md
bench-service: setup
	sh bench/setup.sh service
	$(RUN)/python -m bench.service_load --page

## soak          thousands of short jobs through one service, a thousand queued: memory and open files stay
soak: setup
	$(RUN)/python -m bench.soak --page

## tuning-tables  schedules of layers, measured on this machine; added to those there are
tuning-tables: setup corpus-fetch
	$(RUN)/python -m bench.tune

## corpus        every model of the corpus compiled and compared, a table; TARGETS="aarch64 armv7" takes those only
corpus: setup system corpus-fetch
	$(RUN)/python tests/corpus/compare.py $(TINSMITH_CORPUS) $(if $(TARGETS),--targets $(TARGETS))

corpus-fetch: setup toolchains
	@$(RUN)/python tests/corpus/fetch.py $(TINSMITH_CORPUS)

## fuzz          5,000 random ensembles through every kernel
fuzz: setup
	HYPOTHESIS_EXAMPLES=5000 $(RUN)/pytest tests/compiler/backends/native/trees/test_random_ensembles.py

## onnx-suite    onnx's own node tests, compiled and executed here, under qemu and in wine; the counts;
##               TARGETS="ml_c6g rasp4b", SAMPLE=240 (spread over the operators) and SHARD=3/16 take a part
onnx-suite: setup
	@sh tools/system-packages.sh wine
	$(RUN)/python -m tests.onnx_suite.suite $(if $(TARGETS),--target $(TARGETS)) $(if $(SAMPLE),--sample $(SAMPLE)) $(SHARDED)

## sklearn       scikit-learn's own list of estimators: which ones are compiled and agree, and why the others are not
sklearn: setup
	$(RUN)/python -m tests.compiler.frontends.sklearn.estimators

## breadth       known architectures, built by their frameworks in each form they save, compiled and compared;
##               ONLY="MobileNetV2 keras" takes a part
breadth: setup toolchains
	$(RUN)/python -m tests.breadth.runner $(ONLY)

## sanitize      onnx's node tests under AddressSanitizer and UndefinedBehaviorSanitizer; SHARD=3/16 takes a part of it
sanitize: setup
	@sh tools/system-packages.sh sanitizers
	$(RUN)/python -m tests.onnx_suite.suite --target sanitizers $(SHARDED)

## engines       what the service relies on, tested on every engine: this machine, Ray and Slurm
engines: setup
	@sh tools/system-packages.sh slurm
	TINSMITH_ENGINES=all $(RUN)/pytest tests/worker/engines

## faults        random faults while each engine works through 100 jobs, tables in docs/faults.md; ENGINES="local" takes
##               that one only, DATABASE=postgresql says where the jobs are; then kill -9 at random moments over real
##               jobs through the API
faults: setup
	@sh tools/system-packages.sh slurm postgresql
	$(RUN)/python -m tests.faults $(or $(ENGINES),local slurm ray) $(if $(DATABASE),--database $(DATABASE)) --page docs/faults.md
	TINSMITH_AT_LENGTH=1 $(RUN)/pytest tests/acceptance/test_faults.py -s

## hostile       every attack under every arrangement of the sandbox, written to docs/security-table.md; then hostile
##               archives, pickles and models through the service, tables
hostile: setup system
	$(RUN)/python -m tests.hostile.table --write docs/security-table.md
	TINSMITH_AT_LENGTH=1 $(RUN)/pytest tests/acceptance/test_hostile.py tests/acceptance/test_hostile_frameworks.py -s

## iam-agreement  our evaluator of IAM policies beside MiniStack's on 2,000 generated policies
iam-agreement: setup
	$(RUN)/python -m tests.identity.agreement --count 2000

## clients       every client that people have, through a job's life against a real service, a table
clients: setup
	@sh tools/system-packages.sh clients
	@sh tests/clients/setup.sh
	$(RUN)/python -m tests.clients

## fuzz-api      N random requests, valid and broken, to the API in one process: the counts by status and code
fuzz-api: setup
	$(RUN)/python -m tests.api.fuzz $(or $(N),20000) $(if $(SEED),--seed $(SEED))

## audit         known vulnerabilities of what requirements.lock names; asks PyPI's or OSV's service, or ADVISORIES=folder
audit: setup
	@sh tools/supply-chain.sh audit

## sbom          build/sbom.cdx.json: the runtime's dependencies as CycloneDX, checked against its schema
sbom: setup
	@sh tools/supply-chain.sh sbom

## lock          resolve the dependencies again
lock: setup
	$(RUN)/uv pip compile pyproject.toml --group dev --group oracles --extra s3 --extra postgres --extra ray --extra otel \
	  --override tools/lock-overrides.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package tinsmith-runtime --no-header --quiet --upgrade -o requirements.lock
	$(RUN)/uv pip compile --group bench-networks --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o bench/networks.lock
	$(RUN)/uv pip compile --group bench-service --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o bench/service.lock
	$(RUN)/uv pip compile --group supply-chain --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o tools/supply-chain.lock

clean:
	rm -rf $(VENV) .venv-bench .cache build dist
