# `make try` shows the loop in small, `make repro` runs it, `make test` checks everything. Each
# creates .venv if it is missing.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
SETUP := .venv/.ready

.PHONY: repro try test browser lint bench
repro: $(SETUP)
	lion doctor --fix --quick
	dvc repro $$(test -z "$$(dvc config core.remote)" || echo --pull)
	@git diff --quiet HEAD -- dvc.lock 2>/dev/null || echo "dvc.lock differs from the last commit:" \
	  "run git commit -am 'My run' before you compare versions or start experiments."

# One round on a tenth of the seeds, in less than a minute; changes nothing in the project.
try: $(SETUP)
	lion try --loop

test: lint browser
	# Some tests wait more than they compute. tests/conftest.py orders the files.
	python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Tests of the report need a real browser. Without one they skip and say so.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } || \
	  echo "Chromium is missing, and installing it needs root: apt-get install chromium"

lint: $(SETUP)
	ruff check .
	ruff format --check .
	mypy

bench: $(SETUP)
	python -m benchmarks.novelty
	python -m benchmarks.english
	python -m benchmarks.chat
	python -m benchmarks.student
	python -m benchmarks.versions
	python -m benchmarks.view
	python -m benchmarks.transports

# The marker file is written last, so that make repeats an interrupted set-up.
$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Lion needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	pip install --quiet --upgrade pip
	pip install --quiet -c constraints.txt torch==2.13.0
	pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@
