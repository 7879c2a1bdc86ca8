# Two commands for a fresh machine: `make demo` and `make test`. Each installs what it lacks.
#
# There is one build profile, so nothing is compiled twice. No recipe names a package with -p where
# it could: cargo chooses features for the packages it is asked for, and other features are another
# build of the same dependency.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test build bench bench-peers torture setup model \
    format tidy clippy rust-test examples doc torture-short bench-tiny

stage := scripts/stage

# Passed on to what a target runs: `make torture ARGS="--only power"`.
ARGS ?=

# Every integration test by its name, except the two that are stages of their own.
test_names := $(sort $(patsubst %/main.rs,%,$(foreach path,$(wildcard crates/*/tests/*/main.rs),\
    $(lastword $(subst /tests/, ,$(path))))) \
    $(patsubst %.rs,%,$(notdir $(wildcard crates/*/tests/*.rs))))
tests := $(filter-out tidy torture,$(test_names))
example_names := $(patsubst %.rs,%,$(notdir $(wildcard examples/*.rs)))

help: ## list the commands
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: build ## build the program, then let it show what it does
	@bin/kenning demo

# Cheap stages first: most mistakes are found in seconds.
test: setup format tidy clippy rust-test doc examples torture-short bench-tiny ## everything a change must pass
	@echo "== every stage passed"

build: setup ## leave the program at bin/kenning
	@$(stage) build cargo build --bin kenning
	@source scripts/env; mkdir -p bin; install -m 755 "$$CARGO_TARGET_DIR/debug/kenning" bin/kenning

bench: setup ## measure, beside other engines (ARGS go to the bench)
	@$(stage) bench cargo run -p kenning-bench -- $(ARGS)

bench-peers: setup ## measure the index over vectors, beside indexes of others (ARGS go to the bench)
	@scripts/peers
	@$(stage) bench-peers cargo run -p kenning-bench --features peers -- --only vectors $(ARGS)

torture: setup ## the long proof of trust: hours of power loss, failing disks, races, fuzzing (ARGS go to it)
	@scripts/torture $(ARGS)

setup: ## install what is missing (every command does this itself)
	@scripts/setup

model: setup ## bring the model that understands texts (setup does it, too)
	@scripts/model

format: setup ## stage: the sources are formatted
	@$(stage) format cargo fmt --all --check

tidy: setup ## stage: layers, lengths, words, places, threads
	@$(stage) tidy cargo test --quiet --test tidy

clippy: setup ## stage: no warning in any target
	@$(stage) clippy cargo clippy --workspace --all-targets -- -D warnings

rust-test: setup ## stage: unit tests, integration tests, doc tests (ARGS: a name)
	@$(stage) tests cargo test --lib --bins $(addprefix --test ,$(tests)) -- $(ARGS)
	@$(stage) doc-tests cargo test --doc -- $(ARGS)

doc: setup ## stage: the API documentation builds without a warning
	@RUSTDOCFLAGS="-D warnings" $(stage) doc cargo doc --no-deps --lib

examples: setup ## stage: every example runs to its end
	@[[ -n "$(example_names)" ]] || { echo "no example in examples/" >&2; exit 1; }
	@for name in $(example_names); do \
	    $(stage) "example $$name" cargo run --quiet --example "$$name"; done

torture-short: setup ## stage: the proof of trust, a few minutes of it (ARGS go to it)
	@$(stage) torture-short cargo test --test torture -- --short $(ARGS)
	@[[ -n "$(ARGS)" ]] || KENNING_ENGINE=fjall $(stage) torture-short-fjall \
	    cargo test --test torture -- --brief --only power

bench-tiny: setup ## stage: each bench once, with little data
	@$(stage) bench-tiny cargo run -p kenning-bench -- --tiny
