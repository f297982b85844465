# Everything that a person or a CI runner types. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Each test that starts a program would compile again all that it imports.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV := VIRTUAL_ENV=$(VENV) $(BIN)/uv
SCANNER := $(VENV)/scanner
# Two processes: the cluster's tests mostly wait.
PYTEST := $(BIN)/pytest --numprocesses 2
CLUSTER := $(PYTHON) tests/cluster/cluster.py

PROGRAMS := operator evaluator sampler labeler

.PHONY: help install lock demo demo-labeling test test-unit verify cluster cluster-down prepared wheels images sbom crds docs bench bench-memory bench-neighbours bench-sampler bench-bombs bench-detection bench-takeover bench-history mutants clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Make the environment .venv with everything that development needs

$(INSTALLED): requirements-uv.lock requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "install Python 3.11 first, on Debian: apt-get install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y python3.11-venv; } || \
	  { echo "install Python's venv first, on Debian: apt-get install python3.11-venv"; exit 1; }
	@echo "==> installing the locked requirements into $(VENV) (half a minute)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-uv.lock
	@$(UV) pip install --quiet --require-hashes -r requirements-dev.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

# Apart from everything else, see requirements-scan.in.
$(SCANNER)/.installed: requirements-scan.lock $(INSTALLED)
	@echo "==> installing the scanner of manifests into $(SCANNER)"
	@$(PYTHON) -m venv --clear $(SCANNER)
	@VIRTUAL_ENV=$(SCANNER) $(BIN)/uv pip install --quiet --require-hashes -r requirements-scan.lock
	@touch $@

lock: $(INSTALLED) ## Renew the hash-locked requirements of every program
	@for program in $(PROGRAMS) dev; do \
	  echo "==> requirements-$$program.lock"; \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.11 \
	    --no-emit-index-url --no-header --no-emit-package evaluation-operator \
	    --extra $$program pyproject.toml --output-file requirements-$$program.lock; \
	done
	@echo "==> requirements-uv.lock"
	@echo uv | $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-header --constraint requirements-dev.lock - --output-file requirements-uv.lock
	@echo "==> requirements-scan.lock"
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-header requirements-scan.in --output-file requirements-scan.lock
	@echo "==> manifests/demo/requirements-server.lock"
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-header manifests/demo/requirements-server.in \
	  --output-file manifests/demo/requirements-server.lock
	@echo "==> tests/cluster/requirements-label-studio.lock"
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-header tests/cluster/requirements-label-studio.in \
	  --output-file tests/cluster/requirements-label-studio.lock

crds: $(INSTALLED) ## Generate crds/ from the models
	@$(BIN)/python crds/generate.py

docs: $(INSTALLED) ## Generate docs/troubleshooting.md from the reasons, docs/results.md from the schemas
	@$(BIN)/python docs/generate.py

verify: $(INSTALLED) $(SCANNER)/.installed ## Check style, types, imports, generated files and what scanners find
	@echo "==> ruff"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "==> mypy"; $(BIN)/mypy
	@echo "==> import-linter"; $(BIN)/lint-imports
	@echo "==> generated files"; $(BIN)/python crds/generate.py --check && $(BIN)/python docs/generate.py --check
	@echo "==> checkov"; $(SCANNER)/bin/checkov --config-file .checkov.yaml
	@echo "==> bandit"; $(BIN)/bandit --quiet --configfile pyproject.toml --recursive operator manifests crds

test-unit: $(INSTALLED) ## Run tests/unit, which needs neither cluster nor process (a minute)
	@$(PYTEST) tests/unit

test: images ## Run every test: units, a real control plane, real pods
	@# In the order of directories the cluster's tests are the first, so that they begin at once.
	@$(PYTEST) --no-loadscope-reorder

cluster: ## Bring up a real Kubernetes: kind with Docker, else a local one
	@$(CLUSTER) up

cluster-down: ## Stop the cluster and remove its state
	@$(CLUSTER) down

# A new machine compiles Kubernetes while it waits for the wheels.
prepared: $(INSTALLED)
	@$(MAKE) --no-print-directory --jobs 2 cluster wheels

wheels: $(INSTALLED)
	@$(BIN)/python tests/cluster/cluster.py wheels

images: prepared ## Build the images and load them into the cluster
	@$(BIN)/python tests/cluster/cluster.py images

sbom: $(INSTALLED) ## Say what is in each image, as CycloneDX in build/sbom
	@mkdir -p build/sbom
	@for program in $(PROGRAMS); do \
	  $(BIN)/python -W ignore -m cyclonedx_py requirements requirements-$$program.lock --pyproject pyproject.toml \
	    --mc-type application --output-reproducible --output-file build/sbom/$$program.json; \
	  echo "build/sbom/$$program.json"; \
	done

demo: images ## From nothing to two Evaluations of real predictions
	@$(BIN)/python manifests/demo/demo.py

demo-labeling: images ## From nothing to two Evaluations of truth that people gave
	@$(BIN)/python manifests/demo/labeling/demo.py

bench: $(INSTALLED) ## Measure the operator beside a bare client on a local control plane
	@$(BIN)/python -m tests.bench.burst

bench-memory: $(INSTALLED) ## Measure what large objects make the operator take, in a memory cgroup (root)
	@$(BIN)/python -m tests.bench.memory

bench-neighbours: $(INSTALLED) ## Measure an honest job's turns beside hostile jobs
	@$(BIN)/python -m tests.bench.neighbours

bench-sampler: $(INSTALLED) ## Measure the sampler beside a server that does nothing
	@$(BIN)/python -m tests.bench.sampler

mutants: $(INSTALLED) ## Count the seeded mutants of four packages that tests and mypy notice (an hour)
	@$(BIN)/python -m tests.bench.mutants

bench-bombs: $(INSTALLED) ## Measure what the worst bodies do to the sampler
	@$(BIN)/python -m tests.bench.bombs

bench-takeover: $(INSTALLED) ## Measure for how long nobody works when the leading replica ends
	@$(BIN)/python -m tests.bench.takeover

bench-history: $(INSTALLED) ## Measure a job's 500th run beside its 5th, and a deletion beside many jobs
	@$(BIN)/python -m tests.bench.history

bench-detection: $(INSTALLED) ## Measure the figures of boxes beside COCO's own evaluator
	@$(BIN)/python -m tests.bench.detection

clean: ## Remove the environment and everything that was built here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
