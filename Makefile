# `make repro` plays the whole loop, `make test` checks everything; each sets up .venv when missing.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
SETUP := .venv/.ready

.PHONY: repro test browser lint bench
repro: $(SETUP)
	dvc repro

test: lint browser
	python -m pytest -n 2 --dist loadfile

# The page is tested in a real browser. Where none can be had, these tests say so and skip.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } || \
	  echo "No Chromium, and none can be installed without root: apt-get install chromium"

lint: $(SETUP)
	ruff check .
	ruff format --check .
	mypy

bench: $(SETUP)
	python -m benchmarks.novelty
	python -m benchmarks.chat
	python -m benchmarks.student
	python -m benchmarks.versions
	python -m benchmarks.view

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
