# Everything a checkout can do, each with its own set-up: `make demo` and `make test` need git, make and Python 3.11.
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench-c1 bench-r1 bench-learners bench-update bench-serving bench-extraction bench-llm bench-attributes bench-graph-io bench-speed bench-rotate clean

# Threads that wait by spinning cost a factor of ten where two processes share two cores.
export OMP_WAIT_POLICY := passive
export TOKENIZERS_PARALLELISM := false

IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3; do \
  if $$python -c '$(IS_NEW_ENOUGH)' 2>/dev/null; then echo $$python; break; fi; done)

# On Linux the package index's own build of torch brings gigabytes of CUDA libraries. The CPU wheels' version is
# 2.13.0+cpu, which satisfies ==2.13.0 and ranks above it, so that pip takes them wherever it can see them.
CPU_WHEELS := https://download.pytorch.org/whl/cpu/torch/
ANSWERS := import urllib.request; urllib.request.urlopen("$(CPU_WHEELS)", timeout=3)
TORCH_LINKS ?= $(shell test "$$(uname -sm)" = "Linux x86_64" \
  && $(PYTHON) -c '$(ANSWERS)' 2>/dev/null && echo $(CPU_WHEELS))

TESTS ?= tests
WORKERS ?= 2

help: ## show what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 20

.venv/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or later found as python3.11 or python3;" \
	  "install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing the pinned packages into .venv (2 GB on disk, a few minutes)"
	@$(PYTHON) -m venv .venv || { echo "make: $(PYTHON) cannot make a virtual environment;" \
	  "on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@.venv/bin/pip install --quiet --disable-pip-version-check $(addprefix --find-links ,$(TORCH_LINKS)) \
	  -r requirements.lock
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/.installed ## the main job on the bundled films and books: graph, training, scores, reasons
	@.venv/bin/python examples/demo.py

# One thread each, for there are as many processes as cores.
test: export OMP_NUM_THREADS := 1
test: .venv/.installed ## the test suite; TESTS=tests/coldplug for a part of it
	.venv/bin/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile $(TESTS)

test-slow: .venv/.installed ## tests with real models on full data; needs COLDPLUG_DATA
	.venv/bin/python -m pytest -m slow $(TESTS)

# Code in the pages is laid out to be read beside the text, not as ruff would.
lint: .venv/.installed ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check --extend-exclude '*.md' .
	.venv/bin/mypy

bench-c1: .venv/.installed ## the C1 table of README on MovieLens-1M; needs COLDPLUG_DATA
	.venv/bin/python benchmarks/c1.py

bench-r1: .venv/.installed ## rating prediction on MeLU's split of MovieLens-1M; needs COLDPLUG_DATA
	.venv/bin/python benchmarks/r1.py

bench-learners: .venv/.installed ## every learner on one cut of C1 and on R1, after bench-c1; needs COLDPLUG_DATA
	.venv/bin/python benchmarks/learners.py

bench-update: .venv/.installed ## what coldplug update forgets and learns, after bench-c1; needs COLDPLUG_DATA
	.venv/bin/python benchmarks/update_ml1m.py --seeds 3

bench-serving: .venv/.installed ## coldplug serve under load, beside a bare server
	.venv/bin/python benchmarks/serving.py

bench-extraction: .venv/.installed ## precision and recall of the local extractor on tests/gold
	.venv/bin/python benchmarks/extraction_gold.py

bench-llm: .venv/.installed ## tests/gold with a real model on this machine: fetches 1.1 GB, builds a server, takes hours
	.venv/bin/python benchmarks/llm_gold.py

bench-attributes: .venv/.installed ## trained extractors on AE-110k and WDC PAVE; needs COLDPLUG_DATA
	.venv/bin/python benchmarks/attribute_values.py ae110k
	.venv/bin/python benchmarks/attribute_values.py wdc-pave

bench-graph-io: .venv/.installed ## graphs written and read, beside rdflib and pyoxigraph; memory of a build
	.venv/bin/python benchmarks/graph_io.py

bench-speed: .venv/.installed ## items a second and memory of kgbuild extract, beside two other ways; COLDPLUG_DATA or tests/gold
	.venv/bin/python benchmarks/extraction_speed.py

bench-rotate: .venv/.installed ## link prediction on FB15k-237 and WN18RR; needs COLDPLUG_DATA; PYKEEN=PYTHON for the peer
	.venv/bin/python benchmarks/rotate_kgc.py $(if $(PYKEEN),--pykeen $(PYKEEN))

clean: ## remove the environment and everything that was made
	rm -rf .venv demo out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
