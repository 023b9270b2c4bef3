# make run: installs what is needed, then makes extend attention faster on this machine's CPU and proves it.
# make test: installs with the development extras, then runs every check and test.

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

# Without a GPU: make run TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
EVALS ?= 48
SUITE ?= cpu

.PHONY: help run test test-slow clean
help:
	@echo "make run        install, then search a faster kernel on this CPU; the last line is the result's JSON"
	@echo "make test       install with development extras, then run all checks and tests"
	@echo "make test-slow  the tests that take minutes"
	@echo "make clean      remove the environment and caches; runs in ~/.kernelwright stay"

run: $(VENV)/installed
	@$(BIN)/kernelwright run extend-attention --chip cpu --engineer search --suite $(SUITE) --evals $(EVALS) --json

test: $(VENV)/installed-dev
	@scripts/check

test-slow: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -m "slow and not gpu"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

$(VENV)/created:
	@test -n "$(PYTHON)" || { echo "kernelwright needs Python 3.11 or newer, none was found; set PYTHON=..." >&2; exit 2; }
	@echo "creating $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv $(VENV) >&2
	@touch $@

# torch first: its build decides which Triton fits.
$(VENV)/torch: $(VENV)/created
	@echo "installing torch (a large download)" >&2
	@$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0 >&2
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/torch
	@echo "installing kernelwright" >&2
	@$(PIP) install --editable . >&2
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(VENV)/torch
	@echo "installing kernelwright with development extras" >&2
	@$(PIP) install --editable '.[dev,llm,mcp]' >&2
	@touch $@ $(VENV)/installed
