# One word per task. `install` creates .venv; the others call it when it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: install demo test slow slurm real browser lint types docs bench clean

install: $(READY)

# torch first and by its exact pin: nothing after it can then pull in another build
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[atlases,harmonisation,latent,dev,docs]"
	touch $(READY)

demo: $(READY)
	$(BIN)/nigra demo demo

test: $(READY)
	$(BIN)/python -m pytest -n 2

slow: $(READY)
	$(BIN)/python -m pytest -n 2 -m "slow and not real"

slurm: $(READY)
	$(BIN)/python -m pytest -m slurm

# needs a Chromium at /usr/bin/chromium, or at $NIGRA_CHROMIUM; without one these tests skip themselves
browser: $(READY)
	$(BIN)/python -m pytest -s -m browser tests/explorer

real: $(READY)
	$(BIN)/python -m pytest -m real

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(READY)
	$(BIN)/nigra bench all --json docs/benchmarks.json
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv site demo
