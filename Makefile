# `make demo` runs four authorities on this machine; `make test` runs every test. Both set up what they need.
# One target directory outside the clone and one profile: RocksDB takes long to compile and is compiled once.

CARGO_TARGET_DIR ?= $(HOME)/.cache/laufzettel/target
export CARGO_TARGET_DIR
BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: demo test lint build setup dev bench torture fuzz

demo: build
	$(BIN)/testnet demo

test: setup
	@echo "Building and testing. The first build takes long: RocksDB alone up to 25 minutes on two cores."
	cargo build --workspace --locked
	cargo test --workspace --locked

dev: build
	$(BIN)/laufzettel dev

bench: build
	$(BIN)/testnet bench --quick --json

# MINUTES and SEED choose another run.
MINUTES ?= 60
SEED ?= 1
torture: build
	$(BIN)/testnet torture --minutes $(MINUTES) --seed $(SEED) --json

# Not part of `make test`; see docs/FUZZING.md.
fuzz:
	testnet/fuzz/run

lint: setup
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

build: setup
	@echo "Building. The first build takes long: RocksDB alone up to 25 minutes on two cores."
	cargo build --workspace --locked

setup:
	@./.ci/setup
