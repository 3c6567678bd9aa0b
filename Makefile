# The front door. Every target first makes `.venv` and is quick when nothing has changed.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
SHARDED = $(if $(SHARD),--shard $(SHARD)) $(if $(JOBS),--jobs $(JOBS))
export TINSMITH_CORPUS ?= $(CURDIR)/.cache/corpus

.PHONY: help setup system toolchains demo test quick check format docs bench bench-trees bench-networks tuning-tables corpus corpus-fetch fuzz onnx-suite sklearn sanitize faults hostile lock clean

help:
	@sed -n 's/^## //p' Makefile

## setup         .venv with everything the other targets need
setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml runtime/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
	$(RUN)/uv pip install --quiet --python $(RUN)/python --require-hashes -r requirements.lock
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
	@sh tools/system-packages.sh wine sanitizers
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

## sanitize      the same under AddressSanitizer and UndefinedBehaviorSanitizer; SHARD=3/16 takes a part of it
sanitize: setup
	@sh tools/system-packages.sh sanitizers
	$(RUN)/python -m tests.onnx_suite.suite --target sanitizers $(SHARDED)

## faults        kill -9 at random moments over many real jobs, a table
faults: setup
	$(RUN)/pytest tests/acceptance/test_faults.py -s

## hostile       hostile archives, pickles and models through the service, a table
hostile: setup system
	$(RUN)/pytest tests/acceptance/test_hostile.py -s

## lock          resolve the dependencies again
lock: setup
	$(RUN)/uv pip compile pyproject.toml --group dev --group oracles --extra s3 --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-package tinsmith-runtime --no-header --quiet --upgrade -o requirements.lock
	$(RUN)/uv pip compile --group bench-networks --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o bench/networks.lock

clean:
	rm -rf $(VENV) .venv-bench .cache build dist
