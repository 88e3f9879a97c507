# Everything here sets itself up: `make demo` and `make test` are the two commands to know, `make help` lists the rest.

PYTHON ?= python3
PORT ?= 3000
PHOTOS ?=
MODEL ?=
OUT ?= site
BASE ?=
ARGS ?=
WORKERS ?= 2

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Tests of one file share what is made once for them, so they stay together.
SIDE_BY_SIDE := $(PYTEST) --numprocesses $(WORKERS) --dist loadfile
WEB_SOURCES := $(shell find web -name node_modules -prune -o -name dist -prune -o -type f -print) twinlens/contract.schema.json LICENSE

export PYTHON
# Tools of the virtual environment come first; Node.js lies there too where the machine has none.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo page site setup node chromium lint format test test-heavy test-all parity parity-dct bench-train bench-convert bench-networks bench-data bench-teach bench-similar bench-bulk bench-server bench-page wrk postgres loadtest container readme lock clean
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.serve web/dist/index.html ## Serve the shipped model and the page (PORT=3000)
	@echo "Open http://127.0.0.1:$(PORT) once the server says that it is ready; Ctrl-C ends it."
	@TWINLENS_HOST=127.0.0.1 TWINLENS_PORT=$(PORT) $(BIN)/twinlens serve

test: setup lint ## Run the checks and the tests: unit, integration, end to end, last those that need the machine alone (WORKERS=2)
	$(SIDE_BY_SIDE) -m "not heavy and not alone" tests/unit
	$(SIDE_BY_SIDE) -m "not heavy and not alone" tests/integration
	$(SIDE_BY_SIDE) -m "not heavy and not alone" tests/e2e
	$(PYTEST) -m "not heavy and alone" tests

test-heavy: setup wrk postgres ## Run only the tests that need minutes, gigabytes or system packages
	$(SIDE_BY_SIDE) -m "heavy and not alone" tests
	$(PYTEST) -m "heavy and alone" tests

test-all: test test-heavy ## Run every test

lint: setup ## Run ruff, mypy and the page's checks (types, eslint, prettier, vitest)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "mypy, and beside it the page's checks"
	@$(BIN)/mypy & python=$$!; (cd web && npm run check); page=$$?; wait $$python && exit $$page

format: setup ## Format Python and the page's sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd web && npx prettier --write .

parity: setup ## Compare server and page on photos: make parity PHOTOS=folder [ARGS=...]
	@test -n "$(PHOTOS)" || { echo "Say which photos: make parity PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m parity "$(PHOTOS)" $(ARGS)

parity-dct: .venv/.dev ## Measure what decoding large JPEGs scaled costs and saves: make parity-dct PHOTOS=folder
	@test -n "$(PHOTOS)" || { echo "Say which photos: make parity-dct PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m parity.dct "$(PHOTOS)" $(ARGS)

bench-train: .venv/.dev ## Measure training against its network alone: make bench-train [ARGS=...]
	$(BIN)/python -m benchmarks.train $(ARGS)

bench-convert: setup ## Measure both routes to TensorFlow.js over torchvision's networks (ARGS="--only a,b")
	$(BIN)/python -m benchmarks.convert $(ARGS)

bench-networks: setup ## Train and compare five networks: make bench-networks PHOTOS=folder [ARGS=...]
	@test -n "$(PHOTOS)" || { echo "Say which photos: make bench-networks PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m benchmarks.networks "$(PHOTOS)" $(ARGS)

bench-teach: .venv/.dev ## Compare ways to teach labels from a few photos: make bench-teach PHOTOS=folder [ARGS=...]
	@test -n "$(PHOTOS)" || { echo "Say which photos: make bench-teach PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m benchmarks.teaching "$(PHOTOS)" $(ARGS)

bench-data: .venv/.dev ## Measure how many wrong labels `data check` finds: make bench-data PHOTOS=folder [ARGS=...]
	@test -n "$(PHOTOS)" || { echo "Say which photos: make bench-data PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m benchmarks.data "$(PHOTOS)" $(ARGS)

bench-similar: setup ## Measure the index of similar photos and the page's gallery: make bench-similar PHOTOS=folder [ARGS=...]
	@test -n "$(PHOTOS)" || { echo "Say which photos: make bench-similar PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m benchmarks.similar "$(PHOTOS)" $(ARGS)

bench-bulk: .venv/.dev ## Measure bulk answers against decode and network alone: make bench-bulk PHOTOS=folder [ARGS=...]
	@test -n "$(PHOTOS)" || { echo "Say which photos: make bench-bulk PHOTOS=folder" >&2; exit 2; }
	$(BIN)/python -m benchmarks.bulk "$(PHOTOS)" $(ARGS)

bench-server: setup wrk ## Measure our server beside five others: make bench-server [PHOTOS=folder] [ARGS=...]
	$(BIN)/python -m benchmarks.serving $(if $(PHOTOS),"$(PHOTOS)") $(ARGS)

bench-page: setup ## Measure our page beside three others: make bench-page [PHOTOS=folder] [ARGS=...]
	$(BIN)/python -m benchmarks.page $(if $(PHOTOS),"$(PHOTOS)") $(ARGS)

loadtest: setup ## Compare server and device under load: make loadtest [PHOTOS=folder] [ARGS=...]
	$(BIN)/python -m loadtest $(if $(PHOTOS),"$(PHOTOS)") $(ARGS)

container: .venv/.dev web/dist/index.html ## Build, run and check the image: make container [BASE=image] [ARGS=...]
	$(BIN)/python -m benchmarks.container $(if $(BASE),--base "$(BASE)") $(ARGS)

readme: .venv/.dev ## Write the generated tables of README.md and docs/ anew
	$(BIN)/python -m benchmarks.readme

setup: .venv/.dev web/dist/index.html chromium ## Install everything that the tests need

page: web/dist/index.html ## Build the page into web/dist

site: .venv/.serve web/dist/index.html ## Write page and model as a folder for any static host: make site [MODEL=models/mine] [OUT=site]
	@$(BIN)/twinlens site "$(OUT)" $(call named,$(patsubst %/,%,$(MODEL)))

lock: .venv/.dev ## Write the pinned requirements anew from requirements/*.in (ARGS=--upgrade for newer ones)
	$(call lock,serve,)
	$(call lock,train,-c requirements/serve.txt)
	$(call lock,dev,-c requirements/train.txt)
	$(call lock,node,)
	$(call lock,convert,)
	$(call lock,loadtest,)
	$(call lock,peers,-c requirements/train.txt)
	$(call lock,gpu,-c requirements/serve.txt)

clean: ## Remove the virtual environment and everything built or installed
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info web/dist web/dist-upload web/dist-review web/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A model by its folder, or by its name where it lies in the folder of the settings.
named = $(if $(findstring /,$(1)),--models "$(patsubst %/,%,$(dir $(1)))") $(if $(1),--model "$(notdir $(1))")

define lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		requirements/$(1).in $(2) -o requirements/$(1).txt $(ARGS)
endef

.venv/pyvenv.cfg:
	setup/venv

.venv/.serve: requirements/serve.txt pyproject.toml | .venv/pyvenv.cfg
	setup/install serve
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | .venv/pyvenv.cfg
	setup/install dev
	@touch $@ .venv/.serve

node: | .venv/pyvenv.cfg
	@setup/node

chromium: .venv/.dev
	@setup/chromium

wrk:
	@setup/wrk

postgres:
	@setup/postgres

web/node_modules/.package-lock.json: web/package-lock.json web/package.json | node
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run build
	@touch $@
