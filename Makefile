.DEFAULT_GOAL := help
PYTEST_WORKERS ?= 3  # of two cores: many tests wait for a process, a server or a browser

.PHONY: help setup setup-dev demo run test lint bench screenshots image catalogues lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with the command .venv/bin/mparchive, and get Chromium where there is none
	@bin/setup

setup-dev:
	@bin/setup --dev

demo: setup ## from nothing to done: an invented week of an account, archived in ./demo-output
	@.venv/bin/python bin/demo.py

run: setup ## fetch what is due, again and again, until stopped
	@.venv/bin/mparchive run

test: setup-dev lint ## everything: checks and all tests
	@.venv/bin/pytest -n $(PYTEST_WORKERS)

lint: setup-dev ## format, style, types and import rules
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

bench: setup-dev ## measure, and write docs/reference/performance.md
	@.venv/bin/python -m bench

screenshots: setup-dev ## draw docs/screenshots anew
	@.venv/bin/python bin/screenshots.py

image: setup-dev ## build the container's image and try it
	@bin/image

catalogues: setup-dev ## compile the message catalogues after a change of a .po file
	@.venv/bin/python bin/catalogues.py

lock: setup-dev ## write requirements*.txt anew from pyproject.toml
	@bin/lock

clean: ## remove what was made here; the archive itself lies elsewhere
	rm -rf .venv demo-output artefacts build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
