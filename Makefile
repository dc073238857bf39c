# What there is to do here. Each target installs what it needs; Debian 12 with Rust, Node 20, make and
# python3 is enough.
#
#   make demo    the whole thing in one screenful: a chain, a licence, a daemon, a revocation
#                (with TRUST=consensus: on a chain whose validators the daemon follows;
#                with FLEET=etcd: two machines share two seats, and one of them is killed)
#   make test    every test, against a real EVM node and the real socket; at the end, what was skipped and the slowest
#   make bench   what everything costs, beside a floor or a peer in the same run: the table of docs/performance.md
#   make count   what a warm check costs in instructions, beside its budget (needs valgrind)
#   make lint    rustfmt, clippy, and the licences of what we depend on
#   make packages, make test-packages
#                a .deb and an .rpm, and their tests in machines that boot (as root)
#   make book    the documents as a book, in target/book
#   make image, make test-image
#                a container's image, and its tests in containers (as root)
#   make lint-kubernetes, make test-kubernetes
#                the chart without a cluster, and in a real one that is built from source once (as root)

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO ?= cargo
NODE  ?= node
NPM   ?= npm

NODE_STAMP := tests/node_modules/.stamp
VENV_STAMP := tests/.venv/.stamp
# Apart, because checkov and schemathesis want different versions of what both stand on.
KUBERNETES_STAMP := tests/kubernetes/.venv/.stamp

.PHONY: help
help: ## say what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.PHONY: demo
demo: $(NODE_STAMP) $(if $(filter etcd,$(FLEET)),etcd) ## a licence is bought, used, given away, got back; two seats, three programs; the chain goes away
	@$(NODE) tests/contracts/compile.mjs
	@echo 'building the daemon (debug build: it compiles fastest) …'
	@$(CARGO) build --quiet --locked --bins $(if $(filter consensus,$(TRUST)),--example beacon_chain)
	@$(if $(filter etcd,$(FLEET)),$(NODE) tests/demo/fleet.mjs,TRUST='$(TRUST)' $(NODE) tests/demo/demo.mjs)

# Closes with what was skipped and the ten slowest, from the report that nextest writes.
# nextest keeps its reports there, wherever cargo builds.
REPORT := target/nextest/default/junit.xml

.PHONY: test
test: prepare ## every test
	@rm -f $(REPORT); status=0; \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked --workspace --no-fail-fast || status=$$?; \
	else \
	    $(CARGO) test --locked --workspace --no-fail-fast || status=$$?; \
	fi; \
	$(NODE) tests/summary.mjs $(REPORT) || true; \
	exit $$status

# Ten minutes in which daemons, programs, members of etcd and cables fail at random; `make test` has half a minute of it.
.PHONY: storm
storm: prepare ## fleets in a storm of failures, for ten minutes
	ENTITLED_STORM_SECONDS=600 $(CARGO) test --locked --test e2e -- --nocapture fleet_storm

.PHONY: prepare
prepare: $(NODE_STAMP) $(VENV_STAMP) examples browser etcd promtool ## install and compile what the tests stand on
	@$(NODE) tests/contracts/compile.mjs

# What the README's examples and the client libraries need. Where something is missing, the test of an example says that it was skipped; where
# `CI` is set, a test that names it fails (tests/e2e/prerequisites.rs).
EXAMPLES := curl openssl python3 gcc g++ libc6-dev libcjson-dev golang-go default-jdk-headless
HAS_EXAMPLES = command -v curl >/dev/null && command -v openssl >/dev/null && command -v python3 >/dev/null && command -v go >/dev/null && command -v javac >/dev/null && command -v c++ >/dev/null && \
    printf '\#include <cjson/cJSON.h>\nint main(void) { cJSON_Delete(NULL); }\n' | cc -xc - -lcjson -o /dev/null 2>/dev/null

.PHONY: examples
examples:
	@if ! { $(HAS_EXAMPLES); } && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    echo 'installing what the examples of the README and the client libraries need: $(EXAMPLES)'; \
	    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
	        $(EXAMPLES) </dev/null >/dev/null; } || true; \
	fi
	@$(HAS_EXAMPLES) || echo 'examples of the README will be skipped: install $(EXAMPLES)'

# What the pages of `entitlectl` are tested in, and a typeface, so that their pictures look as on a desktop.
HAS_BROWSER = command -v chromium >/dev/null || [ -n "$${CHROMIUM:-}" ]

.PHONY: browser
browser:
	@if ! { $(HAS_BROWSER); } && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    echo 'installing what the pages are tested in: chromium, fonts-inter'; \
	    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
	        chromium fonts-inter </dev/null >/dev/null; } || true; \
	fi
	@{ $(HAS_BROWSER); } || echo 'the pages of entitlectl will not be tested in a browser: install chromium, or name one in CHROMIUM'

# Real etcd, for fleets. Debian's package is unpacked and not installed, so that it starts no service of its own and needs no root;
# where the package lists are missing, root fetches them.
ETCD := tests/.etcd/usr/bin/etcd
# The server, and the client that the documents' commands are run with.
HAS_ETCD = { [ -x $(ETCD) ] || [ -x /usr/bin/etcd ]; } && { [ -x $(ETCD)ctl ] || [ -x /usr/bin/etcdctl ]; }

.PHONY: etcd
etcd:
	@if ! { $(HAS_ETCD); } && command -v apt-get >/dev/null; then \
	    echo 'fetching etcd'; mkdir -p tests/.etcd; \
	    fetch() { (cd tests/.etcd && apt-get -qq download etcd-server etcd-client >/dev/null 2>&1); }; \
	    { fetch || { [ "$$(id -u)" -eq 0 ] && apt-get -qq update && fetch; }; } && \
	        for it in tests/.etcd/etcd-*.deb; do dpkg-deb -x "$$it" tests/.etcd; done || true; \
	    rm -f tests/.etcd/*.deb; \
	fi
	@{ $(HAS_ETCD); } || echo 'etcd-server or etcd-client is missing: tests of fleets will be skipped'

# Prometheus' tool runs the tests of the alerts. Of Debian's package of the whole of Prometheus it alone is unpacked.
PROMTOOL := tests/.prometheus/usr/bin/promtool

.PHONY: promtool
promtool:
	@if ! [ -x $(PROMTOOL) ] && ! [ -x /usr/bin/promtool ] && command -v apt-get >/dev/null; then \
	    echo 'fetching promtool'; mkdir -p tests/.prometheus; \
	    fetch() { (cd tests/.prometheus && apt-get -qq download prometheus >/dev/null 2>&1); }; \
	    { fetch || { [ "$$(id -u)" -eq 0 ] && apt-get -qq update && fetch; }; } && \
	        dpkg-deb --fsys-tarfile tests/.prometheus/prometheus_*.deb | tar -x -C tests/.prometheus ./usr/bin/promtool || true; \
	    rm -f tests/.prometheus/*.deb; \
	fi
	@[ -x $(PROMTOOL) ] || [ -x /usr/bin/promtool ] || echo 'promtool is missing: the tests of the alerts will be skipped'

# No install scripts: the packages we use carry what they need.
$(NODE_STAMP): tests/package.json tests/package-lock.json tests/.npmrc
	cd tests && $(NPM) ci --ignore-scripts --no-progress --loglevel=error
	@touch $@

# Without python3 the tests with its foreign clients say that they were skipped.
$(VENV_STAMP): tests/requirements.txt
	@if command -v python3 >/dev/null && python3 -m venv tests/.venv; then \
	    tests/.venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt; \
	else \
	    echo 'python3 with venv is missing: the tests with web3.py will be skipped'; \
	    mkdir -p tests/.venv; \
	fi
	@touch $@

$(KUBERNETES_STAMP): tests/kubernetes/requirements.txt tests/kubernetes/clients.txt
	python3 -m venv tests/kubernetes/.venv
	tests/kubernetes/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/kubernetes/requirements.txt
	tests/kubernetes/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/kubernetes/clients.txt
	@touch $@

# What the benchmarks stand beside, or count with. Where one is missing, its rows say that they were left out.
HAS_PEERS = command -v redis-server >/dev/null && command -v valgrind >/dev/null && command -v strip >/dev/null

.PHONY: peers
peers:
	@if ! { $(HAS_PEERS); } && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    echo 'installing what the benchmarks need: redis-server, valgrind, binutils'; \
	    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
	        redis-server valgrind binutils </dev/null >/dev/null; } || true; \
	fi
	@$(HAS_PEERS) || echo 'rows will be left out: install redis-server, valgrind and binutils'

BENCH_ROWS := $(abspath tests/benches/rows.jsonl)

# The table is written whatever the figures are; a benchmark that fails fails the target at its end.
.PHONY: bench
bench: prepare peers ## measure everything, and write the table of docs/performance.md
	@rm -f $(BENCH_ROWS)
	@failed=0; \
	for bench in hot_path check chain light_client; do \
	    BENCH_ROWS=$(BENCH_ROWS) $(CARGO) bench --locked --bench $$bench || failed=1; \
	done; \
	tests/benches/tables.py $(BENCH_ROWS) docs/performance.md; \
	exit $$failed

# Of the debug build, which the tests have built anyway.
.PHONY: count
count: prepare ## instructions of the hot path, beside their budget (needs valgrind)
	@if ! command -v valgrind >/dev/null && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    echo 'installing valgrind'; \
	    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
	        valgrind </dev/null >/dev/null; } || true; \
	fi
	$(CARGO) bench --locked --workspace --profile dev --bench hot_path

.PHONY: lint
lint: ## rustfmt, clippy, cargo-deny (where it is installed)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(CARGO) deny --locked check bans licenses sources; \
	else \
	    echo 'cargo-deny is not installed: licences and sources were not checked'; \
	fi

# mdBook is among what the tests stand on.
.PHONY: book
book: $(VENV_STAMP) ## the documents as a book, in target/book
	tests/.venv/bin/mdbook build

# `release` is what is shipped; `dev` takes the debug build.
PROFILE ?=

.PHONY: packages
packages: ## a .deb and an .rpm in target/packages
	packaging/build.py --profile $(or $(PROFILE),release)
	packaging/check.sh target/packages

# `ONLY` runs the tests whose names have one of its words in them, `FORM` builds one form of package, and `PROGRAMS`
# names a directory of programs that are compiled already.
ONLY ?=
FORM ?=
PROGRAMS ?=

.PHONY: test-packages
test-packages: $(NODE_STAMP) ## install, upgrade under load, break and remove them in machines of their own; as root
	@$(NODE) tests/contracts/compile.mjs
	tests/packages/run.py --profile $(or $(PROFILE),dev) $(PROGRAMS:%=--programs=%) \
	    $(FORM:%=--form=%) $(ONLY:%=--only=%)

.PHONY: image
image: ## a container's image in target/packages, as an OCI and a Docker archive
	packaging/image.py --profile $(or $(PROFILE),release)

.PHONY: test-image
test-image: $(NODE_STAMP) $(VENV_STAMP) ## run the image's containers for real, as the compose file describes them; as root
	@$(NODE) tests/contracts/compile.mjs
	tests/.venv/bin/python tests/image/run.py $(PROGRAMS:%=--programs=%)

.PHONY: lint-kubernetes
lint-kubernetes: $(KUBERNETES_STAMP) ## the chart: helm, schemas, checkov, its own rules; BLESS=1 writes the plain manifest
	tests/kubernetes/.venv/bin/python tests/kubernetes/lint.py

# Kubernetes itself is built once, into tests/.kubernetes.
.PHONY: test-kubernetes
test-kubernetes: $(NODE_STAMP) $(KUBERNETES_STAMP) ## the chart in a real cluster on this machine; as root
	@$(NODE) tests/contracts/compile.mjs
	@[ -n '$(PROGRAMS)' ] || $(CARGO) build --locked --workspace --bins
	tests/kubernetes/build.sh tests/.kubernetes
	tests/kubernetes/.venv/bin/python tests/kubernetes/run.py --programs=$(or $(PROGRAMS),target/debug) $(ONLY:%=--only=%)

.PHONY: lint-packaging
lint-packaging: ## manual pages, scripts, units and their exposure
	packaging/check.sh

.PHONY: clean-tests
clean-tests: ## remove what `prepare` installed and compiled
	rm -rf tests/node_modules tests/contracts/out tests/.venv tests/.etcd tests/.prometheus tests/kubernetes/.venv tests/.kubernetes

.PHONY: clean-build
clean-build: ## remove what cargo built
	$(CARGO) clean
