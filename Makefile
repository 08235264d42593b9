.DEFAULT_GOAL := help
.PHONY: help setup install setup-demo dev test test-long check fmt chaos bench eval demo screenshots lock

PY := .venv/bin/python
export PYTHON DATA REPO FRESH PACE PORT MONTHS STATE

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## Make .venv and node_modules as the lock files say; quick when nothing changed
	@scripts/setup

install: ## Make .venv and node_modules for production: no development tools
	@scripts/setup production

setup-demo:
	@scripts/setup demo

dev: setup ## Migrate, then run the site, a worker and a sandbox of GitHub until Ctrl-C
	$(PY) scripts/dev.py

test: setup ## Run the tests, one process more than cores; ARGS="-k words" for some, "-n 0" for one by one; SERVERS=1 on PostgreSQL and Redis
	$(PY) -m pytest $(if $(findstring no:xdist,$(ARGS)),,-n auto --dist worksteal) $(ARGS)

test-long: setup ## Run the long trials, 25 minutes at most; SEED=n, SECONDS=n for each, ONLY="words of a name", LIST=1 prints them
	$(PY) -m tests.long $(if $(LIST),--list) $(if $(ONLY),--only "$(ONLY)")

check: setup ## Lint, formats, types, import rules, migrations, deployment settings
	$(PY) scripts/check.py

fmt: setup ## Format the code and fix what can be fixed
	.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .
	find templates -name '*.html' -exec .venv/bin/djade --target-version 6.1 {} + || true

chaos: setup ## Hurt real workers, then check that nothing was lost or doubled; RUNS=1000 SEED=n DB=postgres|sqlite; GUARDS=1
	$(PY) -m $(if $(GUARDS),tests.chaos.guards,tests.chaos --runs $(or $(RUNS),40) --seed $(or $(SEED),1) --db $(or $(DB),sqlite))

bench: setup ## What a hand-off costs; ONLY=sync, ingest, llm, markers, patterns, metrics, dashboard, stream, engines, recovery, lanes or patience
	$(PY) -W ignore -m benchmarks$(if $(ONLY),.$(ONLY))

eval: setup ## Precision and recall of the AI markers on a labelled set
	$(PY) -m evals

demo: setup-demo ## Watch a made-up organization set up; DATA=folder, REPO=clone, FRESH=1, PACE=0, PORT=8001, MONTHS=24
	$(PY) scripts/demo.py

screenshots: setup ## Take the pictures of README and docs anew; needs chromium
	$(PY) scripts/screenshots.py

lock: ## After `make setup`: write the exact versions and hashes of requirements/*.in and package.json
	scripts/lock
