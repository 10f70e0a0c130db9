# `make test` and `make demo` work on a fresh machine with git, make and Python 3.11 or newer.

# The first Python on the PATH that is new enough; else plain python3, which then says that it is too old.
ifndef PYTHON
NEW_ENOUGH = $(shell $(1) -c 'import sys; sys.version_info >= (3, 11) and print("$(1)")' 2>/dev/null)
PYTHON := $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,$(call NEW_ENOUGH,$(name))) python3)
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Which Python, and where: a virtual environment that was moved or made by another Python is not ours to use.
IDENTITY := $(shell $(PYTHON) -c 'import sys; print(sys.version.split()[0], sys.base_prefix)' 2>/dev/null) $(CURDIR)
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(IDENTITY))
.PHONY: $(STAMP)
endif

.PHONY: help check format test test-kill test-kill-one test-slow test-languages test-replicas test-replicas-tables \
	test-replicas-languages test-seeds test-simulation test-vocabulary test-cluster test-browser test-wheel demo bench clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | \
		awk -F'|' '{ printf "  %-20s %s\n", $$1, $$2 }'
	@echo
	@echo "  PYTHON=python3.12 picks the Python of $(VENV); PYTEST='-k budget' goes to pytest, BENCH='planning --quick' to bench."

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer\
 is needed; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo "not there"). Name another: make $(MAKECMDGOALS)\
 PYTHON=/path/to/python3.11" >&2; exit 2; }
	@if [ "$$(cat $@ 2>/dev/null)" != "$(IDENTITY)" ]; then \
		echo "Making $(VENV) with $(PYTHON); the first time this takes some minutes." >&2; \
		base=$$($(PYTHON) -c 'import sys; print(sys._base_executable)') && rm -rf $(VENV) && "$$base" -m venv $(VENV); \
	else echo "Bringing $(VENV) up to date." >&2; fi
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@echo "$(IDENTITY)" > $@

check: $(STAMP)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: $(STAMP)  ## rewrite the code in the house's format
	$(BIN)/ruff check --quiet --fix --exit-zero .
	$(BIN)/ruff format --quiet .

test: $(STAMP)  ## every test but the long suites
	$(BIN)/python -m pytest $(PYTEST)

test-kill: $(STAMP)  ## studies, stages and evaluations killed at random moments and continued
	$(BIN)/python -m pytest -m kill $(PYTEST)

test-kill-one: $(STAMP)  ## the same, with one kill of the whole study
	LOANWORD_KILLS=1 $(BIN)/python -m pytest -m kill $(PYTEST)

test-slow: $(STAMP)  ## single tests that take long: a small demo twice, a smoke run, budgets trained
	$(BIN)/python -m pytest -m slow $(PYTEST)

test-languages: $(STAMP)  ## a small study of each of the 13 languages: 23 minutes
	$(BIN)/python -m pytest -m languages $(PYTEST)

test-replicas: test-replicas-tables test-replicas-languages  ## the paper's six studies in small, each to its report

test-replicas-tables: $(STAMP)  ## of them: Tables 1 and 2, vocabulary, knowledge
	$(BIN)/python -m pytest -m replicas tests/test_replicas.py -k tables- $(PYTEST)

test-replicas-languages: $(STAMP)  ## of them: Table 3 and code-switching
	$(BIN)/python -m pytest -m replicas tests/test_replicas.py -k languages- $(PYTEST)

test-seeds: $(STAMP)  ## what the demo claims, over three seeds and under both bases: 20 minutes
	$(BIN)/python -m pytest -m seeds $(PYTEST)

test-simulation: $(STAMP)  ## how often intervals hold and verdicts err, over the whole grid; twelve budgets trained
	$(BIN)/python -m pytest -m simulation -s $(PYTEST)

test-cluster: $(STAMP)  ## studies on a real SLURM of this machine: apt-get install slurmctld slurmd slurm-client munge
	$(BIN)/python -m pytest -m cluster tests/cluster $(PYTEST)

test-vocabulary: $(STAMP)  ## tokenizers on whole corpora in 15 languages, and vocabularies learned for six
	$(BIN)/python -m pytest -m vocabulary --log-cli-level=INFO $(PYTEST)

# AXE is axe-core's axe.min.js: `npm pack axe-core` fetches it.
test-browser: $(STAMP)  ## the report in Debian's chromium, under axe-core (AXE=axe.min.js): a minute
	LOANWORD_AXE=$(AXE) $(BIN)/python -m pytest -m browser $(PYTEST)

test-wheel: $(STAMP)  ## the demo out of a wheel, in an environment and a folder of its own: 11 minutes
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		$(BIN)/python -m pip wheel -qq --no-deps --wheel-dir "$$folder" . && \
		$(BIN)/python -m venv "$$folder/env" && \
		"$$folder/env/bin/python" -m pip install -qq --constraint constraints.txt "$$folder"/*.whl && \
		cd "$$folder" && env/bin/loanword demo

demo: $(STAMP)  ## a first small study, from text to report
	$(BIN)/loanword demo demo

bench: $(STAMP)  ## speed and memory against the goals
	$(BIN)/python -m bench $(BENCH)

clean:  ## remove caches and the virtual environment, never a store
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
