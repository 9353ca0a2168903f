# Everything from nothing: each target first makes its own environment in .venv, out of requirements.lock.
# Needed beforehand: Python 3.11 or later with pip, and make. Nothing is written outside this folder.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The interpreter to build on: `make setup PYTHON=python3.12`; without it, the first of these that is new enough.
PYTHONS := $(if $(filter undefined,$(origin PYTHON)),python3 python3.14 python3.13 python3.12 python3.11,$(PYTHON))
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
TOOLS := .tools

# What make setup installs; rivals of the benchmarks have a lock of their own beside them.
LOCKED_EXTRAS := model planner forecast cluster modbus kube postgres service iec104 openadr2 harness dev
# make run: park seconds in a second; a folder of measured series.
SPEED ?= 1
DATA ?=
# make test: processes that share the suite, and further words for pytest, as in ARGS="tests/unit -k battery".
WORKERS ?= 2
ARGS ?=

# Caches that would else go to the home folder.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_CACHE_DIR := 1
export MPLCONFIGDIR := $(CURDIR)/out/.matplotlib
# LightGBM needs the system's libgomp.so.1; where there is none, `setup` leaves a link to the copy that scikit-learn brings.
OPENMP := $(wildcard $(VENV)/openmp)
ifneq ($(OPENMP),)
export LD_LIBRARY_PATH := $(CURDIR)/$(OPENMP):$(LD_LIBRARY_PATH)
endif

# Shell: sets $$py to the interpreter, or ends with one line that says what is wrong.
define FIND_PYTHON
py=; for candidate in $(PYTHONS); do \
  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then py=$$candidate; break; fi; \
done; \
[ -n "$$py" ] || { echo "setup: Python 3.11 or later is needed, none of '$(PYTHONS)' is; say PYTHON=/path/to/python3.11" >&2; exit 1; }; \
"$$py" -m pip --version >/dev/null 2>&1 || { echo "setup: $$py has no pip; install it (on Debian: apt-get install python3-pip)" >&2; exit 1; }
endef

.PHONY: help
help: ## This list
	@echo "Targets:"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-13s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(INSTALLED) ## Environment only: .venv from requirements.lock, every package checked by hash
	@:

# The host's pip installs into the new environment, so that Debian's split-off python3-venv is not needed.
$(LOCKED): requirements.lock
	@$(FIND_PYTHON); \
	echo "setup: environment in $(VENV) with $$($$py --version)"; \
	$$py -m venv --without-pip $(VENV) && \
	$$py -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { \
	  mkdir -p $(VENV)/openmp && \
	  (cd $(VENV)/openmp && ln -sf ../lib/python3.*/site-packages/scikit_learn.libs/libgomp-*.so* libgomp.so.1) && \
	  LD_LIBRARY_PATH=$(VENV)/openmp $(BIN)/python -c 'import lightgbm' && \
	  echo "setup: no libgomp.so.1 on this machine; make uses the copy in $(VENV)/openmp (outside make: apt-get install libgomp1)"; }
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(FIND_PYTHON); \
	$$py -m pip --python $(BIN)/python install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: run
run: setup ## The park live on this terminal; SPEED=10 runs ten times faster, DATA=DIR takes measured series
	@$(BIN)/vpp-sim live --speed $(SPEED) $(if $(DATA),--data "$(DATA)")

.PHONY: test
test: setup ## The whole test suite with coverage; ARGS="-k battery" for a part
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)

# Each part is a target of its own, so that `make -k check` goes on after a fault and shows them all.
.PHONY: check check-format check-lint check-types check-imports check-schema check-parks
check: check-format check-lint check-types check-imports check-schema check-parks ## Format, lint, types, imports, published schema, the park's own data

check-format: setup
	$(BIN)/ruff format --check .

check-lint: setup
	$(BIN)/ruff check .

check-types: setup
	$(BIN)/mypy

check-imports: setup
	$(BIN)/lint-imports

check-schema: setup
	$(BIN)/python -m vpp.wire.asyncapi --check
	$(BIN)/python -m controllers.api.openapi --check

check-parks: setup
	$(BIN)/vpp check seeds
	$(BIN)/vpp check seeds/parks/two_areas.yaml

.PHONY: bench
bench: setup ## Every benchmark, one JSON file each in out/bench/
	@mkdir -p out/bench; failed=; \
	for file in benchmarks/bench_*.py; do \
	  name=$$(basename $$file .py); name=$${name#bench_}; \
	  echo "== $$name"; \
	  $(BIN)/python $$file --json out/bench/$$name.json || failed="$$failed $$name"; \
	done; \
	[ -z "$$failed" ] || { echo "bench: failed:$$failed" >&2; exit 1; }

# Rivals of the benchmarks stand in an environment of their own. OpenSTEF 4 wants Python 3.12: one is taken where there is one,
# and where there is none its row is skipped and says so.
RIVALS := .venv-rivals
$(RIVALS)/.installed: PYTHONS := $(if $(filter undefined,$(origin PYTHON)),python3.12 python3.13 python3.14) $(PYTHONS)
$(RIVALS)/.installed: benchmarks/rivals.lock
	@$(FIND_PYTHON); \
	echo "rivals: environment in $(RIVALS) with $$($$py --version)"; \
	$$py -m venv --without-pip $(RIVALS) && \
	$$py -m pip --python $(RIVALS)/bin/python install --quiet --require-hashes -r benchmarks/rivals.lock
	@touch $@

.PHONY: bench-forecast
bench-forecast: setup $(RIVALS)/.installed ## Forecasts beside mlforecast, OpenSTEF 4 and simple rivals, one table
	@mkdir -p out/bench
	@PYTHONPATH=$(CURDIR) $(RIVALS)/bin/python benchmarks/bench_forecast.py --json out/bench/forecast.json $(ARGS)

LOCK := $(TOOLS)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --no-emit-package chifeng-vpp --no-header --no-cache --quiet

.PHONY: lock
lock: ## requirements.lock and benchmarks/rivals.lock out of pyproject.toml, pins kept; ARGS=--upgrade pins anew
	@rm -rf $(TOOLS); $(FIND_PYTHON); \
	$$py -m venv --without-pip $(TOOLS) && \
	$$py -m pip --python $(TOOLS)/bin/python install --quiet uv && \
	$(LOCK) $(addprefix --extra ,$(LOCKED_EXTRAS)) $(ARGS) -o requirements.lock && \
	$(LOCK) --extra rivals $(ARGS) -o benchmarks/rivals.lock; \
	status=$$?; rm -rf $(TOOLS); exit $$status

.PHONY: clean
clean: ## Remove all that make and the commands have written: environment, caches, out/
	rm -rf $(VENV) $(RIVALS) $(TOOLS) out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
