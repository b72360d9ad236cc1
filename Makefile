# Two commands do it all: `make demo` and `make test`. They fetch uv and every real part by themselves.

PYTHON ?= python3
UV ?= $(shell command -v uv 2>/dev/null || echo .cache/uv/bin/uv)
RUN = $(UV) run --frozen

.PHONY: soak-streams demo test lint types imports unit torture-as bench bench-as bench-auth bench-policy clean help

help:
	@echo "make demo        an MCP server behind sign-in, on this computer (PORT=8080)"
	@echo "make test        lint, types, import contract, tests: all that CI does"
	@echo "make torture-as  sign-ins, refreshes, revocations, crashes and rotations against a model, for long"
	@echo "make soak-streams  thousands of quiet streams, slow readers and connections"
	@echo "make bench       how fast the gateway is, beside nginx, HAProxy and other MCP proxies (BENCH=--quick: some minutes)"
	@echo "make bench-as    sign-ins and refreshes per second, beside npm oidc-provider"
	@echo "make bench-auth  what asking at /auth costs nginx (needs nginx and wrk)"
	@echo "make bench-policy  what a decision about a call costs, in CEL and in Cedar"

PORT ?= 8080
demo: $(UV)
	@$(UV) run --frozen --no-dev vestibule demo --port $(PORT)

test: lint types imports unit

lint: $(UV)
	$(RUN) ruff format --check src tests bench examples
	$(RUN) ruff check src tests bench examples

types: $(UV)
	$(RUN) mypy
	$(RUN) mypy examples/*.py

imports: $(UV)
	$(RUN) lint-imports

unit: $(UV) .cache/debian
	$(RUN) pytest -q

# Orders of events at the authorization server, for as long as it takes: half an hour or so.
torture-as: $(UV)
	$(RUN) pytest -q --hypothesis-profile=torture --timeout=0 tests/authorization_server/test_lineages.py

bench: $(UV)
	$(RUN) python -m bench $(BENCH)

bench-as: $(UV)
	$(RUN) python -m bench.authorization_server

bench-auth: $(UV)
	$(RUN) python -m bench.forward_auth

bench-policy: $(UV)
	$(RUN) python -m bench.policy

# Ten thousand quiet streams and back, slow readers, 5,000 connections: a few minutes. Needs many open files (ulimit -n).
soak-streams: $(UV)
	$(RUN) python -m tests.gateway.crowds

# uv, when the machine has none: from PyPI, in a folder of its own.
.cache/uv/bin/uv:
	@$(PYTHON) -m venv .cache/uv
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv

# Debian's packages: a browser, two reverse proxies, a C compiler. Where they cannot be installed, the tests that need one
# fail and name it. The proxies are not started as services: the tests start their own.
PROGRAMS = chromium nginx caddy cc
PACKAGES = chromium fonts-dejavu-core nginx-light caddy gcc libc6-dev
POLICY = /usr/sbin/policy-rc.d

.cache/debian:
	@mkdir -p .cache
	@missing=; for program in $(PROGRAMS); do PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing=1; done; \
		[ -z "$$missing" ] || (command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
		&& { [ -e $(POLICY) ] || { trap 'rm -f $(POLICY)' EXIT; printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod 755 $(POLICY); }; } \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null) \
		|| echo "The tests that need one of $(PROGRAMS) will fail. Install Debian's packages $(PACKAGES)."
	@touch .cache/debian

clean:
	rm -rf .cache .venv dist tests/node/node_modules
