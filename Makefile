# One line a target; `make test` and `make demo` install what they need themselves.
PYTHON ?= python3
BIN := .venv/bin
CORE := publisher/quoting.py,publisher/findings.py,publisher/errors.py,publisher/strict_json.py,publisher/ports.py,publisher/bundle/*,publisher/oidc/*,publisher/publication/*,publisher/serving/*,publisher/use_cases/*
.DEFAULT_GOAL := test
.PHONY: demo test e2e check lint types layers bench simulate lock function-bundle protocol clean

$(BIN)/.ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

demo: $(BIN)/.ready ## publish from SPIRE (or its stand-in) to a directory, verify a token, rotate
	$(BIN)/python -m tests.demo

test: $(BIN)/.ready ## every test but the end-to-end stories, with coverage
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest --ignore=tests/e2e
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include=$(CORE)

e2e: $(BIN)/.ready ## whole stories: SPIRE, the GCS emulator over TLS, relying-party libraries
	$(BIN)/python -m pytest tests/e2e

lint: $(BIN)/.ready
	$(BIN)/ruff check && $(BIN)/ruff format --check

types: $(BIN)/.ready
	$(BIN)/mypy

layers: $(BIN)/.ready
	$(BIN)/lint-imports

check: lint types layers test ## what a commit must pass

bench: $(BIN)/.ready ## measure; ratios within one run, no assertions
	$(BIN)/python -m tests.bench

simulate: $(BIN)/.ready ## live through 10,000 rotations in simulated worlds
	$(BIN)/python -m tests.simulation

lock: ## renew requirements/*.txt from pyproject.toml; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url pyproject.toml --output-file requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --constraint requirements/runtime.txt --group dev pyproject.toml --output-file requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --constraint requirements/dev.txt --group pyproject.toml:function --output-file requirements/function.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --constraint requirements/function.txt --group pyproject.toml:container --output-file requirements/container.txt

function-bundle: $(BIN)/.ready ## stage build/function, the folder that the Cloud Function is deployed from
	$(BIN)/python function/stage.py

protocol: $(BIN)/.ready ## renew the gRPC messages from their .proto files
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. publisher/*/protocol/*.proto
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. tests/standin/protocol/*.proto

clean:
	rm -rf .venv .cache .demo build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
