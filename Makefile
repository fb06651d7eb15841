# Everything is made in .venv, from nothing but Python, make and the package registries.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    := build/demo

.PHONY: demo lab test lint bench clean

demo: $(VENV)/.notebooks
	$(BIN)/python notebooks/demo.py --out $(OUT)

lab: $(VENV)/.notebooks
	$(BIN)/python notebooks/demo.py --out $(OUT)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile
	rm -rf build/notebooks-data
	ROE_LOCAL_DATA=$(CURDIR)/build/notebooks-data \
	  $(BIN)/python -m pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build artifacts

# One stamp per set of extras: a second run installs nothing.
$(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]' $(if $(filter test,$*),--group dev)
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "roe-magic needs Python 3.10 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
