# Everything a developer types. The environment of every target is .venv/, made from the pins when it is missing or out of date.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

# The stamp's name holds the hash of what the environment is made from: another hash, another stamp, and pip runs again.
ENV_FILES := requirements/pinned.txt setup.cfg genvlkt_mmdet/version.py
ENV_HASH := $(shell cat $(ENV_FILES) | cksum | tr ' ' '-')
STAMP := $(VENV)/stamp-$(ENV_HASH)

.PHONY: help env demo test lint format clean

help:
	@echo 'make demo    train and evaluate the small model on MiniHOI, draw its predictions'
	@echo 'make test    lint, types and all tests'
	@echo 'make lint    ruff and mypy'
	@echo 'make format  rewrite the sources with ruff'
	@echo 'make env     only make $(VENV)/'
	@echo 'make clean   remove what the other targets made, but not $(VENV)/ or data/'

env: $(STAMP)

$(STAMP):
	@test -n '$(PYTHON)' || { echo 'No Python found: install Python 3.11, or name one: make PYTHON=/path/to/python'; exit 1; }
	@echo 'Making $(VENV)/ from requirements/pinned.txt; with PyTorch to download this takes some minutes.'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/pinned.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	rm -f $(VENV)/stamp-*
	touch $@

demo: $(STAMP)
	$(BIN)/python tools/demo.py

# One thread each for the two test processes: on two cores more threads only wait for each other.
test: export OMP_NUM_THREADS := 1
test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup --durations=10

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist *.egg-info work_dirs demo_out .pytest_cache .ruff_cache .mypy_cache .hypothesis
