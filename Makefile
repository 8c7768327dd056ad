# Everything a developer types. The environment of every target but docs is .venv/, made from the pins when it is missing or out of
# date.
# The first Python that runs and that the pins support; a shim of pyenv may exist for a version that is not installed.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

# The stamp's name holds the hash of what the environment is made from: another hash, another stamp, and pip runs again.
ENV_FILES := requirements/pinned.txt setup.cfg genvlkt_mmdet/version.py
ENV_HASH := $(shell cat $(ENV_FILES) | cksum | tr ' ' '-')
STAMP := $(VENV)/stamp-$(ENV_HASH)

# The site has an environment of its own: it needs neither PyTorch nor the package, and what it needs no test should see.
DOCS_VENV := .venv-docs
DOCS_BIN := $(DOCS_VENV)/bin
DOCS_STAMP := $(DOCS_VENV)/stamp-$(shell cat requirements/docs.txt | cksum | tr ' ' '-')

.PHONY: help env demo test test-all docs bench bench-gpu lint format clean

help:
	@echo 'make demo      train and evaluate the small model on MiniHOI, draw its predictions'
	@echo 'make test      lint, types and all tests'
	@echo 'make test-all  the fast tests with every supported Python, the lowest and the newest versions, and the forks'
	@echo 'make docs      the documentation site, in site/'
	@echo 'make bench     time inference, engines, training, data, evaluation and start on the CPU, and write docs/performance.md'
	@echo 'make bench-gpu the same for S, M and L on a GPU, in every precision and with torch.compile'
	@echo 'make lint      ruff, mypy and the order of imports'
	@echo 'make format    rewrite the sources with ruff'
	@echo 'make env       only make $(VENV)/'
	@echo 'make clean     remove what the other targets made, but not $(VENV)/, $(DOCS_VENV)/ or data/'

env: $(STAMP)

$(STAMP):
	@test -x $(BIN)/python || $(or $(PYTHON),false) -c '$(SUPPORTED)' || { \
		echo 'The pinned versions want Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python'; exit 1; }
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
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup --durations=10 -m "not alone"
	$(BIN)/python -m pytest -q -m alone tests/test_export

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(DOCS_STAMP)
	$(DOCS_BIN)/mkdocs build --strict
	@echo 'The site is in site/: open site/index.html, or serve it: $(DOCS_BIN)/mkdocs serve'

$(DOCS_STAMP):
	@test -n '$(PYTHON)' || { echo 'No Python found: install Python 3.11, or name one: make PYTHON=/path/to/python'; exit 1; }
	@echo 'Making $(DOCS_VENV)/ from requirements/docs.txt.'
	test -x $(DOCS_BIN)/python || $(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	rm -f $(DOCS_VENV)/stamp-*
	touch $@

# The figures of both go into one file; a benchmark replaces its own earlier ones.
BENCH := $(BIN)/python tools/benchmark
FIGURES ?= docs/performance.json

# bfloat16 is slower than float32 on CPUs without instructions for it.
HALF = $(shell $(BIN)/python -c 'import torch; print("bfloat16" * torch.ops.mkldnn._is_mkldnn_bf16_supported())')

bench: $(STAMP)
	$(BENCH)/bench_inference.py --device cpu --dtype float32 $(HALF) --out $(FIGURES)
	$(BENCH)/bench_engines.py --dtype float32 $(HALF) --out $(FIGURES)
	$(BENCH)/bench_engines.py --dtype float32 $(HALF) --model gen_vlkt_tiny_minihoi --weights genvlkt://gen_vlkt_tiny_minihoi.pth \
		--sizes 128x128 --batch-size 1 8 --repeats 20 --out $(FIGURES)
	$(BENCH)/bench_training.py --device cpu --dtype float32 $(HALF) --out $(FIGURES)
	$(BENCH)/bench_data.py --out $(FIGURES)
	$(BENCH)/bench_evaluation.py --out $(FIGURES)
	$(BENCH)/bench_startup.py --weights genvlkt://gen_vlkt_tiny_minihoi.pth --out $(FIGURES)
	$(BENCH)/write_page.py $(FIGURES)

GPU := --device cuda --dtype float32 tf32 bfloat16 float16 --compile --repeats 20 --out $(FIGURES)
bench-gpu: $(STAMP)
	for model in s m l; do \
		$(BENCH)/bench_inference.py --model gen_vlkt_$${model}_hico --sizes 800x1066 --batch-size 1 4 16 $(GPU) || exit 1; \
		$(BENCH)/bench_training.py --model gen_vlkt_$${model}_hico --batch-size 2 4 16 $(GPU) || exit 1; \
	done
	$(BENCH)/bench_data.py --out $(FIGURES)
	$(BENCH)/write_page.py $(FIGURES)

# ENVIRONMENTS names some of them: make test-all ENVIRONMENTS='lowest-3.11 forks-3.11'
test-all: $(STAMP)
	$(BIN)/python tests/environments.py --uv $(BIN)/uv $(ENVIRONMENTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist site *.egg-info work_dirs demo_out .pytest_cache .ruff_cache .mypy_cache .hypothesis
