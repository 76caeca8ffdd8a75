# The manual: `make` lists what there is. Everything lives in .venv and in the state folder (docs/operations.md).

SHELL := /bin/bash -eu -o pipefail
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo up services test coverage faults check bench lock fmt clean

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
PY := $(VENV)/bin/python
MANAGE := $(PY) manage.py
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --progress-bar off --root-user-action ignore
USERS := $(VENV)/.installed-requirements
DEVELOPMENT := $(VENV)/.installed-requirements-dev
STATIC := $(VENV)/.collected-static
WARM := from signals.greeks.core.engine import warm; warm()

# `make up PORT=8001`, `make bench ONLY=engine`: make puts these into the environment by itself.
ARGS ?=
TOGETHER := --numprocesses 2

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(USERS) $(STATIC) ## install into .venv, create the database, compile the kernels (quick the second time)
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) shell --verbosity 0 --command "$(WARM)"

demo: setup ## a job of 1,000 option contracts through HTTP, workers and PostgreSQL, start to finish
	@$(MANAGE) demo $(ARGS)

up: setup ## run the whole service with a simulated feed until Ctrl-C: web (PORT=8000), WORKERS=2, consumer, Flower
	@$(MANAGE) up --simulate $(ARGS)

services: setup ## run only PostgreSQL and Redis until Ctrl-C, and say how to connect
	@$(MANAGE) services

test: $(DEVELOPMENT) $(STATIC) ## all tests but the long ones of `faults` (ARGS="-k forward" for some)
	@$(PY) -m pytest $(TOGETHER) $(ARGS)

coverage: $(DEVELOPMENT) $(STATIC) ## the same, and which lines they reach, in all processes of the service (half as long again)
	@$(PY) -m pytest $(TOGETHER) $(ARGS) --cov

faults: $(DEVELOPMENT) $(STATIC) ## kill, stop and flush everything while jobs and ticks run; prints recovery times (minutes)
	@$(PY) -m pytest tests/faults tests/integration/consume -m "" $(ARGS)

check: $(DEVELOPMENT) $(STATIC) ## style, types, the tower of imports, migrations, and the settings of production
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(MANAGE) check --fail-level WARNING
	$(MANAGE) makemigrations --check --dry-run
	@echo "manage.py check --deploy"
	@SIGNALSITE_ENV=production SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	  DATABASE_URL=postgresql://nobody@db.invalid/none REDIS_URL=redis://redis.invalid/0 \
	  CACHE_URL=redis://cache.invalid/0 ALLOWED_HOSTS=signals.invalid \
	  $(MANAGE) check --deploy --fail-level WARNING

bench: $(DEVELOPMENT) $(STATIC) ## figures beside their peers' in the same run (ONLY=engine, ONLY=batch, ...)
	@$(PY) -m bench $(ARGS)

lock: $(DEVELOPMENT) ## pin what pyproject.toml asks for: requirements.txt for users, requirements-dev.txt for us
	@$(PIP) uv
	$(VENV)/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 pyproject.toml --group dev \
	  --constraint requirements.txt -o requirements-dev.txt

fmt: $(DEVELOPMENT) ## format the code and fix what can be fixed
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean: ## remove caches and build products; .venv and the state folder with its data stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@rm -rf staticfiles bench/out $(STATIC)
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# --- steps ------------------------------------------------------------------------------------------------------------

$(USERS): requirements.txt | $(PY)
	@echo "Installing what requirements.txt names; the first time takes a minute or two."
	@$(PIP) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt | $(PY)
	@echo "Installing what requirements-dev.txt names; the first time takes a minute or two."
	@$(PIP) -r requirements-dev.txt
	@touch $@

# Collected once per set of packages: in development the site serves our own files from where they are.
$(STATIC): requirements.txt
	@$(MANAGE) collectstatic --noinput --verbosity 0
	@touch $@

$(PY):
	@command -v $(PYTHON) > /dev/null && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed. Debian: apt-get install python3 python3-venv. Elsewhere: make PYTHON=..." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing python3-venv"; apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; \
	else \
	  echo "Python's venv module is missing. Debian: sudo apt-get install python3-venv" >&2; exit 1; \
	fi
	@$(PYTHON) -m venv $(VENV)
