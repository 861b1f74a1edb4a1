# Every target sets up .venv by itself when it is missing or older than the files that define it.
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all fuzz lint docs bench clean setup
.DEFAULT_GOAL := help

help:
	@echo "make demo        train on 5,000 real handwritten digits, test, predict, export (about 6 minutes with set-up)"
	@echo "make test        style, types, layers, docs, and the tests (about 9 minutes on two cores)"
	@echo "make test-all    the slowest tests too: two processes, Ray, further runs killed and resumed"
	@echo "make fuzz        hostile files for ten minutes, and every planned fault (SECONDS=60 for another time)"
	@echo "make lint        style, types and layers only"
	@echo "make docs        build the documentation into site/"
	@echo "make bench NAME  reproduce one table; make bench lists them"
	@echo "make clean       remove .venv and everything that can be made again (never runs/)"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv (once; about 2 minutes) ..."
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --upgrade "pip>=24"
	@# torch first and by its exact version: where a CPU build is offered, pip takes it and the gigabytes of CUDA stay away.
	@$(PY) -m pip install --quiet -c constraints.txt torch
	@$(PY) -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $(READY)

demo: $(READY)
	@.venv/bin/capas look sample:mnist5k
	@.venv/bin/capas train sample:mnist5k
	@.venv/bin/capas predict latest sample:mnist5k --limit 5

lint: $(READY)
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

docs: $(READY)
	@.venv/bin/mkdocs build --strict

# Two processes, each a file at a time: what the tests of a file share is made once.
test: lint docs
	@$(PY) -m pytest -n 2 --dist loadfile -m "not slow"

test-all: lint docs
	@$(PY) -m pytest -n 2 --dist loadfile

# Longer than the tests do: files mutated with other seeds, and a fault at every single call.
SECONDS ?= 600
fuzz: $(READY)
	@CAPAS_EVERY_FAULT=1 $(PY) -m pytest -q tests/faults
	@$(PY) -m tests.fuzz --seconds $(SECONDS)

# make bench NAME: the name is an extra goal, so it is declared as one that does nothing.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
BENCH := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
$(eval $(BENCH):;@:)
endif
bench: $(READY)
	@$(PY) -m benchmarks $(BENCH)

clean:
	rm -rf .venv .venv-bench .venv-bench-diffusion .venv-datalab .venv-deepchecks site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache src/*.egg-info
