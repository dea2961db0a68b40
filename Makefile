# Everything below runs in .venv, made on first use with PYTHON (3.11 or newer; override as `make test PYTHON=python3.12`).

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --constraint benchmarks/constraints-bench.txt
INSTALLED_FROM := pyproject.toml constraints.txt benchmarks/constraints-bench.txt

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && { echo $$p; break; }; done)

# A backend named here fails its tests when it is not installed, instead of having them left out.
export RELU2MIP_REQUIRE_BACKENDS ?= highs,gurobi,cvxpy
PYTEST_ARGS ?= -n 2

.PHONY: help demo test test-slow test-latest test-oldest lint lint-style lint-types lint-imports FORCE format docs docs-serve bench clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed-demo ## Plan a CartPole swing with HiGHS, replay it, write a table and a picture
	$(BIN)/relu2mip demo

test: $(VENV)/.installed-dev ## Run the test suite
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-dev ## Run the tests that take minutes
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m slow

# Tests of what depends on the versions of other packages. They need no torch, which is left out: its newest release is
# gigabytes of GPU libraries, and what it exports is tested on the pinned one.
DEPENDENT_TESTS := tests/backends/test_library.py tests/backends/test_limits.py tests/backends/test_native.py \
	tests/formulations/test_constructs.py tests/frontends/test_ops.py tests/frontends/test_reading.py \
	tests/frontends/test_replay.py tests/mip/test_write.py tests/test_cli.py tests/test_embedding.py \
	tests/test_highs_process.py tests/test_plot.py tests/test_quality.py tests/test_solving.py
# Old releases use what newer ones of others deprecate; that is none of ours to mend.
INSTALL_TEST = bin/python -m pip install -qq --disable-pip-version-check --upgrade --upgrade-strategy eager --editable ".[test]"

test-latest: .venv-latest/.created ## Run the tests that depend on other packages on their newest releases
	@echo "Installing relu2mip[test] into .venv-latest: the newest releases"
	@.venv-latest/$(INSTALL_TEST)
	.venv-latest/bin/python -m pytest $(PYTEST_ARGS) $(DEPENDENT_TESTS)

test-oldest: .venv-oldest/.created ## Run them on the oldest releases that pyproject.toml admits
	@echo "Installing relu2mip[test] into .venv-oldest: constraints-oldest.txt"
	@.venv-oldest/$(INSTALL_TEST) --constraint constraints-oldest.txt
	.venv-oldest/bin/python -m pytest $(PYTEST_ARGS) -W ignore::DeprecationWarning $(DEPENDENT_TESTS)

lint: lint-style lint-types lint-imports ## Check style, formatting, types, and who imports whom

lint-style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The import hooks of an editable install are invisible to mypy and import-linter, so they read a plain install.
build/typecheck/.installed: $(VENV)/.installed-dev FORCE
	@rm -rf build/lib build/bdist.* build/typecheck
	@$(PIP_INSTALL) --no-deps --no-build-isolation --no-compile --target build/typecheck .
	@touch $@

lint-types: build/typecheck/.installed
	cd build/typecheck && ../../$(BIN)/python -m mypy --config-file ../../pyproject.toml -p relu2mip

lint-imports: build/typecheck/.installed
	cd build/typecheck && PYTHONPATH=. ../../$(BIN)/lint-imports ../../pyproject.toml

FORCE:

format: $(VENV)/.installed-dev ## Fix style and formatting in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev ## Build the documentation into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

docs-serve: $(VENV)/.installed-dev ## Serve the documentation while writing it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --strict

bench: $(VENV)/.installed-bench ## Compare build times with the peers
	$(BIN)/python benchmarks/compile.py

clean: ## Remove what was built and cached; the environments stay
	rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

# Old releases have no wheels for new versions of Python.
.venv-oldest/.created: PYTHON := $(or $(shell command -v python3.11),$(PYTHON))
$(VENV)/.created .venv-latest/.created .venv-oldest/.created:
	@test -n "$(PYTHON)" || { echo "relu2mip needs Python 3.11 or newer: none found; set PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "relu2mip needs Python 3.11 or newer: $(PYTHON) is not" >&2; exit 1; }
	@echo "Creating $(@D)"
	@$(PYTHON) -m venv $(@D)
	@touch $@

# One stamp per set of extras: $(VENV)/.installed-EXTRA.
$(VENV)/.installed-%: $(VENV)/.created $(INSTALLED_FROM)
	@echo "Installing relu2mip[$*] into $(VENV)"
	@$(PIP_INSTALL) --editable ".[$*]"
	@touch $@

# The benchmarks compare with what the tests run on, so the peers are added to the development environment.
$(VENV)/.installed-bench: $(VENV)/.installed-dev
