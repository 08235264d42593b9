.DEFAULT_GOAL := help
.PHONY: help setup install setup-demo dev test test-long check fmt chaos bench eval demo screenshots lock

PY := .venv/bin/python
export PYTHON DATA REPO FRESH PACE PORT MONTHS STATE

help: ## List all targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## Install .venv and node_modules from the lock files; quick if nothing has changed
	@scripts/setup

install: ## Install .venv and node_modules for production, without development tools
	@scripts/setup production

setup-demo:
	@scripts/setup demo

dev: setup ## Migrate, then run the site, a worker and a GitHub sandbox until Ctrl-C
	$(PY) scripts/dev.py

test: setup ## Run the tests, one process more than cores; ARGS="-k NAME" for some, "-n 0" for one at a time; SERVERS=1 on PostgreSQL and Redis
	$(PY) -m pytest $(if $(findstring no:xdist,$(ARGS)),,-n auto --dist worksteal) $(ARGS)

test-long: setup ## Run the long trials, 25 minutes at most; SEED=n, SECONDS=n for each, ONLY="words of a name", LIST=1 prints them
	$(PY) -m tests.long $(if $(LIST),--list) $(if $(ONLY),--only "$(ONLY)")

check: setup ## Lint, formats, types, import rules, spelling, dead code, migrations, deployment settings
	$(PY) scripts/check.py

fmt: setup ## Format the code and fix what can be fixed
	.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .
	find templates -name '*.html' -exec .venv/bin/djade --target-version 6.1 {} + || true
	$(PY) scripts/biome.py check --write

chaos: setup ## Kill, freeze, and restart real workers, then check that nothing was lost or done twice; RUNS=1000 SEED=n DB=postgres|sqlite; GUARDS=1
	$(PY) -m $(if $(GUARDS),tests.chaos.guards,tests.chaos --runs $(or $(RUNS),40) --seed $(or $(SEED),1) --db $(or $(DB),sqlite))

bench: setup ## Run the benchmarks; ONLY=sync, ingest, llm, markers, patterns, metrics, dashboard, stream, engines, recovery, lanes or patience
	$(PY) -W ignore -m benchmarks$(if $(ONLY),.$(ONLY))

eval: setup ## Measure precision and recall of the AI markers on a labeled set
	$(PY) -m evals

demo: setup-demo ## Run the demo with a sample organization; DATA=folder, REPO=clone, FRESH=1, PACE=0, PORT=8001, MONTHS=24
	$(PY) scripts/demo.py

screenshots: setup ## Retake the screenshots of README and docs; needs Chromium
	$(PY) scripts/screenshots.py

lock: ## After `make setup`: write the exact versions and hashes of requirements/*.in and package.json
	scripts/lock
