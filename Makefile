# `make demo` and `make test` do all of their own set-up. `make help` lists the rest.
# PYTHON=python3.12 chooses another interpreter, DATADREAMER_VENV=path another place for the virtual environment.

PYTHON ?= $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := $(or $(DATADREAMER_VENV),.venv)
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
DEMO_FOLDER ?= demo-output

.PHONY: help setup demo test lint types layers unit examples bench format clean

help:
	@echo "make demo     prompt a model, build a dataset, train on it: about three minutes, no key, no network after set-up"
	@echo "make test     lint, types, layering, tests and examples"
	@echo "make setup    the virtual environment in $(VENV), with pinned versions"
	@echo "make bench    the figures of benchmarks/README.md"
	@echo "make format   put the code into its standard form"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh
	@touch $@

demo: setup
	@$(BIN)/datadreamer demo --output $(DEMO_FOLDER)

test: lint types layers unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -n 2 --dist loadfile

bench: setup
	$(BIN)/python benchmarks/run.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache $(DEMO_FOLDER)
