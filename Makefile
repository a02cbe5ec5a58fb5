# The two commands: `make run` serves the gateway with its page, `make test` passes all tests.
# Each does its own set-up. `make help` lists the rest.

# The gateway for the tests: of the workspace, so that it shares what is built for `cargo test --workspace`. By itself some of its
# dependencies have fewer features, and are built once more.
GATEWAY = cargo build --locked --workspace --bin tricast

.DEFAULT_GOAL := help
.PHONY: help run page test field steady setup lint conformance fuzz deny soak bench peers

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

page: ## build the page at / with Node; the next build of the gateway embeds it
	dashboard/build.sh

# The built-in model, which needs no key and answers on loopback addresses alone.
run: export TRICAST__LLM ?= [{ name = "demo", url = "demo:" }]
run: export TRICAST__ACCESS__PROMPT ?= auto
run: page ## serve on http://127.0.0.1:8080, the page at /, metrics on http://127.0.0.1:9464/metrics
	cargo run --release --locked

setup: ## install the real components that tests need (as root on Debian; else say what is missing)
	tests/clients/setup.sh

test: setup page ## all tests: units, model, schedules, behaviours on three wires, clients we did not write
	cargo test --locked --workspace
	cargo test --locked --workspace --features tricast-core/shuttle --test interleavings
	$(GATEWAY)
	dashboard/test.sh
	tests/clients/run.sh

field: setup page ## frameworks that are too large to install for `make test`: webpack, Next
	cd tests/clients/field && npm ci --no-audit --no-fund --loglevel=error
	$(GATEWAY)
	tests/clients/run.sh development-servers.field.mjs

steady: setup page ## all tests, twenty times, beside two processes that spin; goes on where it was stopped
	tests/steady.py

conformance: ## the wire formats as literal bytes; the Autobahn suite for WebSocket, over every way of delivery
	cargo test --locked --workspace --test behaviour bytes::
	tests/autobahn/setup.sh
	$(GATEWAY)
	python3 tests/autobahn/run.py

fuzz: ## each fuzz target for FUZZ_SECONDS, or a minute
	tests/fuzz/run.sh

lint: ## formatting, lint rules, types and the documentation, without a warning
	dashboard/lint.sh
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	cargo check --locked # by itself, with its own features alone
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

deny: ## known weaknesses, licences and sources of dependencies (needs the network)
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check

soak: setup ## what runs long or measures time, before an issue is resolved: PART=name, or all parts in turn
	tests/soak.sh $(PART)

peers: ## install the peers that the benchmark compares with, as far as they can be had
	bench/peers/setup.sh

bench: peers ## memory and CPU for each subscriber beside the floor and the peers; scenarios; fairness
	cargo build --locked --release --package tricast --package tricast-bench
	target/release/tricast-bench compare --storm --json target/bench.json
	target/release/tricast-bench scenarios
	target/release/tricast-bench fairness
	target/release/tricast-bench talk
	target/release/tricast-bench compression
	target/release/tricast-bench scrape
	target/release/tricast-bench log
	target/release/tricast-bench answers
