# manta for people: `make run` asks a model a question. The build itself is CMakeLists.txt; this only sets it in motion.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# What a user may give: make run ARGS="--workers 5", make fuzz SECONDS=600, make install PREFIX=/usr DESTDIR=/tmp/x
ARGS ?=
SECONDS ?= 60
PREFIX ?= /usr/local
RELEASE_URL ?=
DESTDIR ?=
unexport SECONDS

program := build/release/manta
cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/manta
model := $(or $(MANTA_MODELS_DIR),$(cache)/models)/SmolLM2-135M-Instruct.Q4_1.gguf
# A test waits most of its time. Files stay whole: their tests share clusters.
side_by_side := -n $$(( $$(nproc) < 5 ? 2 + 2 * $$(nproc) : 12 )) --dist loadfile
e2e := tests/e2e
e2e_requirements := tests/e2e/requirements.txt
# ThreadSanitizer of older compilers cannot live with every address layout: switch its randomisation off.
fixed_addresses := $(shell command -v setarch >/dev/null && echo "setarch $$(uname -m) -R")

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile
	@echo 'Arguments: make run ARGS="--workers 5"; make fuzz SECONDS=600; make install PREFIX=/usr'

.PHONY: setup
setup: ## Install missing system packages; fetch llama.cpp, llhttp and the default model
	@scripts/setup
	@scripts/fetch

.PHONY: release
release: ## Build build/release/manta and the llama engine
	@scripts/setup
	@scripts/release

.PHONY: run
run: release ## Start a head and three workers here, then a prompt (without a terminal: one test prompt)
	@if [[ -t 0 ]]; then exec $(program) up $(ARGS); else exec $(program) up --test $(ARGS); fi

.PHONY: test
test: ## Everything that must be green: unit, simulator, checks, end to end
	@scripts/setup --tests
	@scripts/fetch
	@$(MAKE) test-unit
	@scripts/build release manta manta_engine_llama
	@tests/check_binary build/release
	@$(MAKE) test-engine
	@$(MAKE) test-e2e
	@MANTA=$(CURDIR)/$(program) tests/page/run --if-possible

.PHONY: test-unit
test-unit: ## Unit tests, simulator, corpora and checks with ASan and UBSan; no model, no network
	@scripts/setup
	@scripts/fetch llhttp
	@scripts/build dev
	@ctest --test-dir build/dev --output-on-failure --no-tests=error -j "$$(nproc)" $(ARGS)

.PHONY: test-engine
test-engine: ## The llama module with the real model: exactness, loading, sampling
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta_engine_llama engine_tests
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA_TEST_FIXTURES=$$("$$venv/bin/python" tests/fixtures/fixtures.py) MANTA_TEST_MODEL=$(model) \
		ctest --test-dir build/release --output-on-failure --no-tests=error -L model -j "$$(nproc)" $(ARGS)

.PHONY: test-e2e
test-e2e: ## The real program with the real model, asked by real clients (pytest)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/$(program) "$$venv/bin/python" -m pytest $(side_by_side) $(e2e) $(ARGS)

.PHONY: test-docs
test-docs: e2e := $(addprefix tests/e2e/test_,typed.py first_hour.py docs.py)
test-docs: test-e2e ## README and docs/, typed as they are printed: a part of test-e2e (a minute)

.PHONY: test-page
test-page: ## The console in a real browser: clicks, keys, kills, a phone, axe; SCREENSHOTS=FOLDER keeps the pictures (a minute)
	@scripts/setup --tests
	@scripts/fetch llhttp
	@scripts/build release manta
	@MANTA=$(CURDIR)/$(program) MANTA_SCREENSHOTS=$(SCREENSHOTS) tests/page/run $(ARGS)

.PHONY: test-sim
test-sim: ## The simulator for long: 400 runs drawn anew, a part under ASan, then 2,000 workers for an hour (an hour)
	@scripts/setup
	@scripts/fetch llhttp
	@scripts/build sim manta-sim
	@scripts/build sim-asan manta-sim
	@tests/sim/nightly build/sim/manta-sim build/sim-asan/manta-sim $(ARGS)

.PHONY: test-exact
test-exact: ## 24 prompts for each of seven model files, alone, in company, with workers killed: the same text and log-probabilities? (long)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama fixture_quantize
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/$(program) "$$venv/bin/python" tests/exact/run $(ARGS)

.PHONY: test-chaos
test-chaos: ## 200 streams while workers are killed, frozen and asked to leave: are all of them as if undisturbed? (minutes)
	@scripts/setup
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@$(program) chaos --model smollm2 --exact $(ARGS)

.PHONY: test-mixed
test-mixed: ## One worker with three models under mixed load: memory flat and in its limit, answers right? (10 minutes)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/$(program) tests/soak/mixed --fixtures "$$("$$venv/bin/python" tests/fixtures/fixtures.py)" $(ARGS)

.PHONY: test-texts
test-texts: ## Streams beside texts of 4 MB of 18 kinds: how long do they pause, what memory does the worker take? (a minute)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@MANTA=$(CURDIR)/$(program) tests/soak/texts $(ARGS)

.PHONY: attack
attack: ## Floods, smuggling, link abuse, foreign pages, other tenants, slow readers beside 50 streams: equal, no long turn, memory in its budget? (minutes)
	@scripts/setup --tests
	@scripts/fetch llhttp
	@scripts/build release manta
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/$(program) "$$venv/bin/python" tests/attack/run $(ARGS)

.PHONY: test-memory
test-memory: ## The head with 10,000 idle streams and 1,000 workers, every part of its memory flooded: within its budget? (minutes)
	@scripts/setup --tests
	@scripts/fetch llhttp
	@scripts/build release manta
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/$(program) MANTA_STREAMS=10000 MANTA_WORKERS=1000 "$$venv/bin/python" -m pytest -s tests/e2e/test_head_memory.py $(ARGS)

.PHONY: test-engines
test-engines: ## manta on real Docker Compose, Slurm, Ray, Kubernetes, each set up and torn down here (root; half an hour the first time); ENGINES="compose slurm" for some
	@scripts/build release manta manta_engine_llama
	@tests/engines/run $(ENGINES)

.PHONY: test-agents
test-agents: ## Codex, Claude Code, opencode and pi, from their registry, each with a task of six calls, a worker killed, the head replaced (minutes)
	@scripts/setup --tests
	@scripts/fetch llhttp
	@scripts/build release manta
	@MANTA=$(CURDIR)/$(program) tests/agents/run $(ARGS)

.PHONY: test-sdks
test-sdks: ## LangChain, instructor, pydantic-ai, OpenAI's agents, litellm, llama-index: talk, stream, tools, schemas, errors; the load test of examples/, by k6 (minutes)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@MANTA=$(CURDIR)/$(program) tests/sdks/run $(ARGS)

.PHONY: measure-sdks
measure-sdks: ## Of 350 things that clients ask, those that hold, client by client: docs/clients.md (minutes)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@MANTA=$(CURDIR)/$(program) tests/sdks/measure/run $(ARGS)

.PHONY: test-conformance
test-conformance: ## llama.cpp's own server tests against manta; what does not pass is listed with its reason (ten minutes)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build release manta manta_engine_llama
	@MANTA=$(CURDIR)/$(program) tests/conformance/run -n 2 $(ARGS)

.PHONY: test-compose
test-compose: ## The laptop cluster in containers, with a real Docker daemon (root; minutes the first time)
	@tests/compose/run $(ARGS)

.PHONY: docs-transcripts
docs-transcripts: release ## Write what a real cluster prints into docs/laptop.md (in containers where Docker runs)
	@scripts/transcripts $(ARGS)

.PHONY: reference
reference: release ## Write docs/settings.md, the man pages and the shell completions from the program's tables
	@scripts/reference

.PHONY: docs-site
docs-site: ## Make a site of the documents and man pages in build/site: static, every link looked for (ARGS=FOLDER)
	@"$$(scripts/venv scripts/pins/site.txt)/bin/python" scripts/site $(ARGS)

.PHONY: tsan
tsan: ## Unit tests with ThreadSanitizer (the simulator has no threads)
	@scripts/setup
	@scripts/fetch llhttp
	@scripts/build tsan
	@$(fixed_addresses) ctest --test-dir build/tsan --output-on-failure -LE "check|sim" -j "$$(nproc)" $(ARGS)

.PHONY: asan-e2e
asan-e2e: ## End to end, the program built with ASan and UBSan (the engine module is the ordinary one; minutes)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build dev manta
	@scripts/build release manta_engine_llama
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/build/dev/manta MANTA_ENGINE_DIR=$(CURDIR)/build/release "$$venv/bin/python" -m pytest $(side_by_side) tests/e2e $(ARGS)

.PHONY: tsan-e2e
tsan-e2e: ## End to end but for the real model, the program built with ThreadSanitizer (the engine module is the ordinary one; half an hour)
	@scripts/setup --tests
	@scripts/fetch
	@scripts/build tsan manta
	@scripts/build release manta_engine_llama
	@venv=$$(scripts/venv $(e2e_requirements)); \
		MANTA=$(CURDIR)/build/tsan/manta MANTA_ENGINE_DIR=$(CURDIR)/build/release $(fixed_addresses) "$$venv/bin/python" -m pytest $(side_by_side) tests/e2e -m "not model" $(ARGS)

.PHONY: fuzz
fuzz: ## Run each fuzz target for SECONDS of processor time, as many at a time as there are processors
	@scripts/setup --fuzz
	@scripts/fetch llhttp
	@scripts/build fuzz fuzzers
	@tests/fuzz/run build/fuzz $(SECONDS)

.PHONY: bench
bench: setup ## manta and llama-server side by side: time to first token, tokens/s, memory
	@scripts/build release manta manta_engine_llama bench_streams bench_servers
	@bench/run $(ARGS)

.PHONY: wheel
wheel: setup ## Build the wheel of the Python package, with the program and a portable engine inside, in build/wheel (ARGS=FOLDER)
	@scripts/wheel $(ARGS)

.PHONY: test-wheel
test-wheel: setup ## Build the wheel, install it into a fresh environment, run clusters from there (minutes the first time)
	@tests/fresh/wheel $(ARGS)

.PHONY: install
install: release ## Install to PREFIX
	@scripts/place build/release "$(DESTDIR)" "$(PREFIX)"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/manta"

.PHONY: uninstall
uninstall: ## Remove what `make install` put below PREFIX
	@scripts/displace "$(DESTDIR)$(PREFIX)"

.PHONY: package
package: setup ## Build the portable archive and the Debian package, in build/packages, a folder to serve (RELEASE_URL=http://HOST:8000; ARGS=FOLDER)
	@RELEASE_URL="$(RELEASE_URL)" scripts/package $(ARGS)

.PHONY: test-package
test-package: setup ## Install the packages in clean Debian 12 and Ubuntu 24.04 systems, serve, upgrade under streams, remove (root; minutes)
	@tests/fresh/package $(ARGS)

.PHONY: test-arm64
test-arm64: ## Cross compile for linux-arm64 in a clean Debian 12 system, run the unit tests and some of the engine's in an emulator (root; minutes)
	@tests/fresh/arm64 build/roots/arm64 $(ARGS)

.PHONY: clean
clean: ## Remove build/ (what was fetched stays in the cache)
	@rm -rf build

.PHONY: distclean
distclean: clean ## Remove build/ and what was fetched for it and its tests; models stay (`manta models rm NAME`)
	@! [ -d "$(cache)" ] || find "$(cache)" -mindepth 1 -maxdepth 1 ! -name models -exec rm -rf {} +
