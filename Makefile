# Everything is made in .venv, from nothing but Python, make and the package registries.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
OUT     := build/demo
# A file's tests stay on one worker, since they share its fixtures; conftest.py puts the longest files first.
PYTEST  := $(BIN)/python -m pytest -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

.PHONY: demo lab check test fast slow soak-client mutants coverage lint format bench lists constraints clean help

demo: $(VENV)/.notebooks  ## run the first notebook on the local service; writes a page to build/demo
	$(BIN)/python notebooks/demo.py --out $(OUT)

lab: demo  ## the same, then open the notebooks in JupyterLab
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# Three workers, since some of these tests wait.
check: lint  ## lint, types and the tests that need no service, kernel or browser (under a minute)
	$(PYTEST) -n 3 -q -m "not slow and not integration and not browser and not conformance"

fast: $(VENV)/.test  ## every test but those of the browser and of other people's clients
	$(PYTEST) -q -m "not browser and not conformance"

test: $(VENV)/.test  ## every test, then the notebooks' outputs
	$(PYTEST)
	rm -rf build/notebooks-data
	ROE_LOCAL_DATA=$(CURDIR)/build/notebooks-data \
	  $(BIN)/python -m pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg

slow: $(VENV)/.test  ## the tests that try everything, for a new version of the engine (about half an hour)
	$(PYTEST) -q -m exhaustive
	ROE_TEST_STATEMENTS=20000 $(PYTEST) -q tests/conformance/test_search_for_escapes.py

soak-client: $(VENV)/.test  ## queries under random faults for 20 minutes: what is lost, and what grows
	$(BIN)/python -m tests.support.soak_client

mutants: $(VENV)/.test  ## break the client's code in 200 places, one at a time, and see which its tests notice (two hours)
	$(BIN)/python -m pip install --quiet cosmic-ray
	$(BIN)/python -m tests.support.mutants

# Not schemathesis, which takes many times as long while it is measured.
coverage: $(VENV)/.test  ## every test but schemathesis, and the lines and branches that none of them reached
	@mkdir -p build/coverage
	$(PYTEST) -q --cov --cov-report=term --ignore tests/conformance/test_schemathesis.py

lint: $(VENV)/.test  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test  ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## the benchmarks
	$(BIN)/python -m benchmarks

lists: $(VENV)/.test  ## print the names of the engine that are in none of the lists of what a statement may do
	$(BIN)/python -m tests.support.unlisted_names

constraints: $(VENV)/bin/python  ## renew constraints.txt: the newest versions that fit together
	$(BIN)/python -m pip install --quiet uv
	@mkdir -p build
	@{ sed -n '/^#/p' constraints.txt && $(BIN)/uv pip compile pyproject.toml --upgrade --quiet --no-config \
	  --universal --python-version 3.10 --all-extras --group dev --no-annotate --no-header; } > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean:  ## remove .venv and everything that was built
	rm -rf $(VENV) build artifacts

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# One stamp per set of extras: a second run installs nothing.
$(VENV)/.%: pyproject.toml constraints.txt roe_magic/_version.py | $(VENV)/bin/python
	@echo "Installing the packages of '$*' into $(VENV): some 120 packages, 1.3 GB, one to five minutes the first time."
	@echo "pip prints nothing meanwhile, unless something is wrong ..."
	$(BIN)/python -m pip install --quiet --editable '.[$*]' $(if $(filter notebooks,$*),,--group dev) \
	  --constraint constraints.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "roe-magic needs Python 3.10 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making $(VENV), a Python environment of its own; nothing is installed outside of it ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
