# What a person does with this tree. Everything is repeatable; a second run does only what is missing.
#
#   make demo     try it: builds, starts everything on this machine, prints one address
#   make test     all tests, those with real parts (pcscd, Chromium, Firefox, Apache, PostgreSQL) included
#   make check    formatting, lints, licences, documentation
#   make fuzz     twenty seconds of made-up input for each parser of what comes from outside
#   make bench    figures
#   make hw-test-real   try a card of your own in a real reader; SIGN=1 signs too, READER=NAME names the reader
#   make package  Debian packages of server and agent, under target/debian
#   make setup    what the others need: Debian packages, and tools under target/tools

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

tools := $(CURDIR)/target/tools
export PATH := $(tools)/bin:$(PATH)
# The demonstration is built without the long optimisation of a release.
demo_profile := dev

.PHONY: help setup demo test check fuzz bench package hw-test-real

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@.ci/setup build demo test check fuzz package

demo:
	@.ci/setup build demo
	cargo build --workspace --bins --profile $(demo_profile)
	@exec target/debug/sceau demo

test:
	@.ci/setup build demo test
	cargo test --workspace

check:
	@.ci/setup build check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo fmt --manifest-path hw-tests/fuzz/Cargo.toml --check
	cargo clippy --package sceau --no-default-features --features agent --quiet -- -D warnings
	cargo clippy --package sceau --no-default-features --features server --quiet -- -D warnings
	cargo clippy --manifest-path hw-tests/fuzz/Cargo.toml --target-dir target --quiet -- -D warnings
	cargo deny --log-level error check --hide-inclusion-graph bans licenses sources
	@if timeout 10 git ls-remote --quiet --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; \
	then cargo deny --log-level error check advisories; \
	else echo "advisories: not checked, github.com does not answer"; fi
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items --quiet

fuzz:
	@.ci/setup build fuzz
	hw-tests/fuzz/run.sh

# The agent is built alone, in a place of its own, as it is for a workstation.
bench:
	@.ci/setup build demo
	cargo bench --quiet --package sceau --bench server --bench revocation-list --bench directory_import --bench security_keys --bench phones --bench upstreams
	cargo bench --quiet --package sceau-hw-tests --bench card
	cargo build --quiet --release --package sceau --bin sceau-agent --no-default-features --features agent --target-dir target/agent
	@echo "sceau-agent, released: $$(( $$(stat --format %s target/agent/release/sceau-agent) / 1000 )) kB"

# The server without PC/SC, the agent without a server.
package:
	@.ci/setup build package
	rm -rf target/release/man
	cargo build --quiet --release --package sceau --bin sceau --no-default-features --features server
	target/release/sceau manual target/release/man/sceau
	cargo deb --quiet --package sceau
	cargo build --quiet --release --package sceau --bin sceau-agent --no-default-features --features agent
	target/release/sceau-agent manual target/release/man/sceau-agent
	cargo deb --quiet --package sceau --variant agent

# Sends no PIN without SIGN=1, and asks once more before it does.
hw-test-real:
	@.ci/setup build
	cargo run --quiet --package sceau-hw-tests --bin sceau-hw-test-real -- \
		$(if $(filter 1,$(SIGN)),--sign) $(if $(READER),--reader '$(READER)')
