# Every target stands alone: on a machine with Python 3.11 and nothing else it makes .venv, installs what
# infra/constraints.txt pins, and runs. Settings, on the command line or in the environment:
#
#   DATA=movielens      what `demo` reads: movielens, synthetic, or a folder of events and items;
#                       `bench`, which reads ml100k, beauty, films and sequence files too, only if it is said
#   TORCH_INDEX=        index for torch alone, e.g. one that holds CPU builds; empty: pip's own index
#   PYTHON=python3.11   the Python 3.11 to make .venv with
#   ONLY=               the parts that `bench` runs, joined by commas; empty: the quick ones
#   SEEDS=1,2,3         of `bench`
#   ARMS=               arms that the part `accuracy` of `bench` trains, joined by commas; empty: all
#   DOCS=               folder that the table of `bench` is written to; empty: RESULTS, else .bench
#   PYTEST_ARGS=        more arguments for pytest, e.g. PYTEST_ARGS="tests/data -x"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

DATA ?= movielens
TORCH_INDEX ?=
PYTEST_ARGS ?=
ONLY ?=
SEEDS ?=
ARMS ?=
DOCS ?=
PYTHON ?= $(or $(shell command -v python3.11),python3)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo test check ui bench install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@sed -n 's/^#   /  /p' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## the whole loop on real data, two cycles, ending in a verdict
	$(BIN)/recloop demo --data "$(DATA)"

test: $(INSTALLED) ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

check: $(INSTALLED) ## lint, format, types, layer contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: $(INSTALLED) ## Prefect, MLflow, Data Docs and reports on what the demo left; Ctrl-C ends it
	$(BIN)/recloop ui --demo

bench: $(INSTALLED) ## speed and quality against the figures in the docs
	$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only "$(ONLY)") $(if $(SEEDS),--seeds "$(SEEDS)") \
	  $(if $(ARMS),--arms "$(ARMS)") $(if $(filter-out file,$(origin DATA)),--data "$(DATA)") $(if $(DOCS),--docs "$(DOCS)")

install: $(INSTALLED) ## only make .venv and install

clean: ## remove .venv and caches; the state in .recloop stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "recloop needs Python 3.11, and '$(PYTHON)' is not it. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that TORCH_INDEX is asked for torch and nothing else
$(INSTALLED): pyproject.toml infra/constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-deps $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") \
	  "$$(grep '^torch==' infra/constraints.txt)"
	$(BIN)/python -m pip install --quiet -c infra/constraints.txt -e '.[dev]'
	@touch $@
