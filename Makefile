# `make demo`, `make test` and `make docs` need Python 3.11 or newer, make and git.
# What else they need they install: into .venv, and on Debian, as root, the system
# libraries of Qt and OpenGL.
#
# On Linux, PyPI's torch comes with several GB of CUDA. Without an NVIDIA GPU:
#     PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CONSTRAINTS := .ci/constraints.txt
DEMO := build/demo

ifeq ($(shell uname),Linux)
VIRTUAL_DISPLAY := xvfb-run -a -s "-screen 0 1600x1000x24"
ifeq ($(DISPLAY)$(WAYLAND_DISPLAY),)
HEADLESS := yes
endif
endif

.PHONY: corpus demo docs fuzz pictures test test-versions system

# Reconstructs a stack with the bundled network, saves the tractions and shows
# them in napari; where there is no display, in a screenshot.
demo: $(INSTALLED)
	$(BIN)/vit-tfm demo -o $(DEMO) --overwrite
	$(if $(HEADLESS),$(VIRTUAL_DISPLAY)) $(BIN)/python -m napari_vit_tfm.napari.demo \
		$(DEMO) $(if $(HEADLESS),--screenshot $(DEMO)/demo.png)

# The documentation's pictures.
pictures: $(INSTALLED)
	$(BIN)/vit-tfm demo -o $(DEMO) --overwrite
	$(if $(HEADLESS),$(VIRTUAL_DISPLAY)) $(BIN)/python -m napari_vit_tfm.napari.demo \
		$(DEMO) --screenshot docs/pictures/demo.png
	$(if $(HEADLESS),$(VIRTUAL_DISPLAY)) $(BIN)/python docs/pictures.py \
		$(DEMO) -o docs/pictures

# The documentation as web pages. A warning is an error; -E reads every page anew,
# as warnings are given only then.
docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -E -q -b html docs build/docs
	@echo The documentation is in build/docs/index.html

test: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(MAKE) docs
	$(VIRTUAL_DISPLAY) $(BIN)/pytest

# The tests with other Pythons, Qt bindings and versions of the requirements; the table
# of docs/versions.md is written anew. One environment, and a part of the tests:
#     make test-versions ONLY=oldest TESTS="tests/io tests/physics"
test-versions: | system
	$(PYTHON) .ci/versions.py $(ONLY) $(if $(TESTS),--tests "$(TESTS)")

# All damaged and borderline files, each read in every way; `make test` reads a third of
# them, most in one way.
corpus: $(INSTALLED)
	CORPUS=all $(BIN)/pytest -q tests/corpus/test_corpus.py

# Fuzzing of all readers, for FUZZ_MINUTES together; says how many files were read.
FUZZ_MINUTES ?= 30
fuzz: $(INSTALLED)
	FUZZ_MINUTES=$(FUZZ_MINUTES) $(BIN)/pytest -q -s tests/corpus/test_fuzz.py

# torch goes first, on its own, so that no other requirement chooses its build.
$(INSTALLED): pyproject.toml $(CONSTRAINTS) | system
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c $(CONSTRAINTS) torch
	$(BIN)/python -m pip install -c $(CONSTRAINTS) -e ".[dev]"
	touch $@

system:
	@$(PYTHON) .ci/system.py
