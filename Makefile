# `make repro` plays the whole loop, `make test` checks everything; each sets up .venv when missing.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
SETUP := .venv/.ready

.PHONY: repro test lint bench
repro: $(SETUP)
	dvc repro

test: lint
	python -m pytest

lint: $(SETUP)
	ruff check .
	ruff format --check .
	mypy

bench: $(SETUP)
	python benchmarks/novelty.py

# The mark is set last, so that an interrupted set-up is taken up again.
$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	pip install --quiet --upgrade pip
	pip install --quiet -c constraints.txt torch==2.13.0
	pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@
