# Spotter's commands. `make demo` and `make test` do all the set-up themselves.
ARGS ?=

.PHONY: help setup demo test soak lint docs bench picture deb fuzz

help:
	@echo 'make demo [ARGS="--seconds 20"]   see tags of real footage arrive at a subscriber'
	@echo 'make test                         run every test'
	@echo 'make lint docs                    the other gates: formatting, clippy, documentation'
	@echo 'make bench                        measure the detector, the outbox and publishing'
	@echo 'make soak                         an hour of camera storm; writes docs/soak.md'
	@echo 'make picture                      draw docs/pictures/tracks.jpg again'
	@echo 'make deb                          build the Debian package'
	@echo 'make fuzz [SECONDS=30]            run each fuzz target for so long'
	@echo 'make setup                        install what is missing (the others do it too)'

setup:
	@packaging/setup.sh

demo: setup
	cargo build --release --locked
	@target/release/spotter demo $(ARGS)

test:
	@packaging/setup.sh --tests
	cargo test --locked

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

bench: setup
	cargo bench --locked

FOOTAGE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/spotter/footage/vtest.avi

picture: setup
	cargo build --release --locked
	target/release/spotter replay $(FOOTAGE) --frame-rate 7 --picture docs/pictures/tracks.jpg --picture-at 73.6

# The camera storm of `make test`, for as long as it takes to see memory grow; SPOTTER_STORM_S is in seconds.
SPOTTER_STORM_S ?= 3600

soak:
	@packaging/setup.sh --tests
	SPOTTER_STORM_S=$(SPOTTER_STORM_S) SPOTTER_STORM_TABLE=docs/soak.md \
		cargo test --release --locked --test storm -- --nocapture

deb:
	@packaging/deb.sh $(ARGS)

SECONDS = 30

fuzz:
	@packaging/setup.sh
	@fuzz/run.sh $(SECONDS)
