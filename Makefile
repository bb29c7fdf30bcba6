# Each target makes its own .venv when there is none, and installs what it needs into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# With a token in AUGMENT_API_TOKEN the report is of the real organisation, without one of the sample.
SOURCE := $(if $(AUGMENT_API_TOKEN),,--sample)

.PHONY: report test test-fast test-browser reliability lab check bench lock clean

report: $(VENV)/.installed
	$(BIN)/augment-insights report overview $(SOURCE)

lab: $(VENV)/.installed
	$(BIN)/augment-insights lab

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/browser

# Without the tests that start kernels, kill processes, build wheels or take seconds, and with fewer drawn cases.
test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/browser -m 'not slow' \
		--hypothesis-profile fast

# Faults, ends, damage and drawn input, as often as docs/reliability.md says, which it writes; an hour and more.
# RELIABILITY_SCALE=0.1 tries a tenth of it, RELIABILITY_SEED=N the cases of another run.
reliability: $(VENV)/.installed-dev
	RELIABILITY_SCALE=$${RELIABILITY_SCALE:-1} RELIABILITY_RECORD=docs/reliability.md \
		$(BIN)/python -m pytest tests/reliability

# In a real JupyterLab, in Debian's Chromium; skipped where there is none.
test-browser: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/browser

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[test,check]'
	touch $@ $(VENV)/.installed

# Versions only: no hashes, and no host name of any index.
lock: pyproject.toml
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --quiet \
		--no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
