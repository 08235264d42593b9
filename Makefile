.DEFAULT_GOAL := help
.PHONY: help setup dev test check fmt bench demo lock

PY := .venv/bin/python
export PYTHON DATA REPO FRESH PACE PORT

help: ## Say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## Make .venv and node_modules as the lock files say; quick when nothing changed
	@scripts/setup

dev: setup ## Migrate, then run the site and a worker until Ctrl-C
	$(PY) scripts/dev.py

test: setup ## Run the tests; ARGS="-k words" passes arguments to pytest
	$(PY) -m pytest $(ARGS)

check: setup ## Lint, formats, types, import rules, migrations, deployment settings
	$(PY) scripts/check.py

fmt: setup ## Format the code and fix what can be fixed
	.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

bench: setup ## Run the benchmarks
	$(PY) -m benchmarks

demo: setup ## Onboard a made-up organisation; DATA=folder, REPO=clone, FRESH=1, PACE=seconds, PORT=number
	$(PY) scripts/demo.py

lock: ## After `make setup`: write the exact versions and hashes of requirements/*.in and package.json
	scripts/lock
