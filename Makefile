# Every target stands alone: on a machine with Python 3.11 and nothing else it makes .venv, installs what infra/lock
# holds, every file against its hash, and runs. Settings, on the command line or in the environment:
#
#   DATA=movielens      what `demo` reads: movielens, synthetic, small (two minutes), or a folder of events and items;
#                       `bench`, which reads ml100k, beauty, films and sequence files too, only if it is said
#   TORCH_INDEX=        index for torch alone, e.g. one that holds CPU builds; empty: pip's own index
#   TORCH_LOCK=         hashes of torch; empty: none are asked for, as an index with other builds than PyPI's and PyTorch's
#                       CPU ones needs
#   LOCKS=runtime postgres s3 login ray dev docs   what to install of infra/lock: these, and audit, fuzz
#   PYTHON=python3.11   the Python 3.11 to make .venv with
#   ONLY=               the parts that `bench` runs, joined by commas; empty: the quick ones. Of `faults`: its kinds,
#                       kills, disk, corruption, inputs, races, security, services, upgrades; empty: all. fuzz, ten
#                       minutes, only if it is said, after make -B install LOCKS="runtime postgres s3 login ray dev docs fuzz"
#   N=300               cycles of `soak`, a fault in each
#   GROWTH=100000       events of the parts `growth` and `incremental` of `bench`, sizes joined by commas; empty: 100,000 and 1,000,000
#   SEEDS=1,2,3         of `bench`
#   ARMS=               arms that the parts `accuracy` and `warm` of `bench` train, joined by commas; empty: all, and two
#   DOCS=               folder that the table of `bench` is written to; empty: RESULTS, else .bench
#   PYTEST_ARGS=        more arguments for pytest, e.g. PYTEST_ARGS="tests/data -x"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

DATA ?= movielens
TORCH_INDEX ?=
TORCH_LOCK ?= infra/lock/torch.lock
LOCKS ?= runtime postgres s3 login ray dev docs
PYTEST_ARGS ?=
ONLY ?=
SEEDS ?=
ARMS ?=
DOCS ?=
N ?= 300
PYTHON ?= $(or $(shell command -v python3.11),python3)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PINNED_TORCH = $(shell grep '^torch==' infra/constraints.txt)
# uv reads no pip.conf: it is told of the index that pip was told of
INDEX = $(or $(UV_DEFAULT_INDEX),$(PIP_INDEX_URL),$(shell $(BIN)/python -m pip config get global.index-url 2>/dev/null))
# a person sees bars, a log one line a step
TERMINAL := $(shell test -t 2 && echo yes)
QUIET = $(if $(TERMINAL),,--quiet)
UV = $(if $(INDEX),UV_DEFAULT_INDEX="$(INDEX)") VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/python -m uv pip

# Python may keep what it has compiled in the .venv made here, whatever the environment says of elsewhere: without it each
# of a test's hundred processes compiles its libraries again, for 1 to 10 CPU seconds
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test faults soak check docs ui bench install lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@sed -n 's/^#   /  /p' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## the whole loop on real data, two cycles, ending in a verdict
	$(BIN)/recloop demo $(if $(filter-out small,$(DATA)),--data "$(DATA)",--small)
	@echo
	@echo "make ui opens what this left. make demo DATA=small takes two minutes, DATA=path/to/folder reads your own data."

# Three workers keep two cores busy: a tenth to a half of what a test takes is waiting, for servers, polls and the clock.
# By number of tests, as xdist orders files, those with one test of a minute came last; tests/conftest.py orders them
test: $(INSTALLED) ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

faults: $(INSTALLED) ## kills, a refusing disk, corruption, nasty inputs, races, attacks, services cut off: each struck by itself, and what must hold
	$(BIN)/python -m tests.faults $(if $(ONLY),--only "$(ONLY)")

soak: $(INSTALLED) ## N cycles on one home, a fault in each: what must hold after it, and what may not grow
	$(BIN)/python -m tests.soak --cycles $(N) --out $(or $(DOCS),.bench)/soak

check: $(INSTALLED) ## lint, format, types, layer contracts, workflows, containers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --no-progress .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec infra/compose.yaml
	$(BIN)/hadolint infra/Dockerfile
	$(BIN)/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard infra/kubernetes/base/*.yaml))
	if command -v actionlint; then actionlint; fi

docs: $(INSTALLED) ## the site of docs/, into .site; a dead link or anchor fails it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file infra/docs/mkdocs.yml
	@echo "open .site/index.html"

ui: $(INSTALLED) ## Prefect, MLflow, Data Docs and reports on what the demo left; Ctrl-C ends it
	$(BIN)/recloop ui --demo

bench: $(INSTALLED) ## speed and quality against the figures in the docs
	$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only "$(ONLY)") $(if $(SEEDS),--seeds "$(SEEDS)") \
	  $(if $(ARMS),--arms "$(ARMS)") $(if $(filter-out file,$(origin DATA)),--data "$(DATA)") $(if $(DOCS),--docs "$(DOCS)")

install: $(INSTALLED) ## only make .venv and install

lock: | $(BIN)/python ## infra/lock anew, from infra/constraints.txt and pyproject.toml
	@echo "locking 1/3: torch and uv as infra/constraints.txt pins them"
	@$(BIN)/python -m pip install --quiet --no-deps $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") "$(PINNED_TORCH)"
	@$(BIN)/python -m pip install --quiet --no-deps "$$(grep '^uv==' infra/constraints.txt)"
	@echo "locking 2/3: everything that pyproject.toml asks for, under the constraints"
	@$(UV) install --quiet -c infra/constraints.txt -e '.[postgres,s3,login,ray,dev,docs,audit,fuzz]'
	@$(UV) check --quiet
	@echo "locking 3/3: hashes"
	@$(if $(INDEX),UV_DEFAULT_INDEX="$(INDEX)") $(BIN)/python infra/making_lock.py

clean: ## remove .venv and caches; the state in .recloop stays
	rm -rf $(VENV) .site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "recloop needs Python 3.11, and '$(PYTHON)' is not it. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that TORCH_INDEX is asked for torch and nothing else, and by pip, which takes the
# nearest build where uv would fetch gigabytes. It is fetched before it is held against torch.lock: pip, told of hashes
# while it chooses, would pass by a build that lies on this machine. uv finds torch there and installs the rest, in a
# tenth of pip's time. What a build of torch needs for itself (one for CUDA: its libraries) comes by pip once more, at
# the versions that its metadata pins.
$(INSTALLED): pyproject.toml $(wildcard infra/lock/*.lock) | $(BIN)/python
	@echo "installing 1/4: torch ($(PINNED_TORCH)$(if $(TORCH_INDEX), from TORCH_INDEX)), the largest"
	@$(BIN)/python -m pip download $(QUIET) --no-deps --only-binary :all: --dest "$(VENV)/torch" \
	  $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") "$(PINNED_TORCH)"
	@$(BIN)/python -m pip install --quiet --no-deps --no-index --find-links "$(VENV)/torch" \
	  $(if $(TORCH_LOCK),--require-hashes -r "$(TORCH_LOCK)","$(PINNED_TORCH)")
	@rm -rf "$(VENV)/torch"
	@echo "installing 2/4: packages of $(foreach lock,$(LOCKS),infra/lock/$(lock).lock), each against its hash"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r infra/lock/installer.lock
	@$(UV) install $(QUIET) --no-deps --require-hashes $(foreach lock,$(LOCKS),-r infra/lock/$(lock).lock)
	@echo "installing 3/4: what this build of torch needs beyond them"
	@$(BIN)/python -m pip install --quiet "$(PINNED_TORCH)"
	@echo "installing 4/4: recloop itself, editable"
	@$(UV) install --quiet --no-deps --no-build-isolation -e .
	@touch $@
	@echo "installed in $(VENV); what was asked for comes now"
