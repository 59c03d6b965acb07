# A list of verbs. The work is in the `capos` command (cli/), the builders (kernel/image, tools/demos), the checks
# (tools/check) and the tests (tools/test); tools/setup brings what a verb needs onto the machine.
#
# RUST_FROM=debian|rustup forces where the compiler comes from; ACCEL=tcg|kvm what QEMU runs on, outside the suites.

export PATH := $(CURDIR)/target/tools/bin:$(PATH)
export GOTOOLCHAIN := local
export GOFLAGS := -trimpath
export CGO_ENABLED := 0
SHELL := bash
NEED := @tools/setup/setup
CARGO := cargo
RUN_NEEDS := rust lld go qemu
CAPOS := target/debug/capos
MANIFESTS := manifests
CHECK := $(CARGO) run --quiet --locked --package capos-check --
DEMO := $(CARGO) run --quiet --locked --package capos-demos --
BENCH := $(CARGO) run --quiet --locked --package capos-bench --
TEST := $(CARGO) run --quiet --locked --package capos-test --

.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' Makefile)
help: ## say what the verbs are
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 26

## Running
run-wasm-host: build wasm-empty-build ## boot the WASI host with an empty module
run-wasi-hello-rust: build wasm-hello-rust-build ## boot a Rust program for wasm32-wasip1
run-wasi-hello-c: build wasm-hello-c-build ## boot a C program for wasm32-wasip1
run-smoke: build wasm-empty-build wasm-hello-rust-build ## boot a system of several processes
run-services: build ## boot a key-value service and two clients of different authority
run-wasm-host run-wasi-hello-rust run-wasi-hello-c run-smoke run-services:
	@$(CAPOS) run $(MANIFESTS)/system-$(@:run-%=%).cue
doctor: build ## say what this machine offers capOS and what it lacks
	@$(CAPOS) doctor

## Building
build: manifest-tool ## build the kernel, the services, the WASI host and the capos command
	@$(CARGO) build --quiet --locked --package capos-cli --package capos-image --features capos-image/qemu
manifest-tool:
	$(NEED) $(RUN_NEEDS)
	@cd tools/manifest && go build -buildvcs=false -ldflags="-s -w" -o ../../target/capos/lib/capos/capos-manifest .
wasm-host-build: ## build the WASI host that runs in ring 3, with the kernel and services it is shipped with
	$(NEED) rust lld
	@$(CARGO) build --quiet --locked --package capos-image --features qemu
program: ## compile a package of yours for capOS: CRATE=FOLDER
	$(NEED) rust lld
	@tools/program/program "$(CRATE)"
wasm-empty-build:
	$(NEED) rust
	@$(DEMO) wasm-empty
wasm-hello-rust-build: ## compile the Rust hello
	$(NEED) rust-wasi
	@$(DEMO) wasi-hello-rust
wasm-hello-c-build: ## compile the C hello
	$(NEED) rust clang
	@$(DEMO) wasi-hello-c
setup: ## install everything that any verb needs
	$(NEED) rust rust-wasi lld llvm clang qemu go capnp shellcheck
install: manifest-tool wasm-host-build ## install the command and its files under PREFIX
	@tools/dist/dist install "$(PREFIX)"
dist: manifest-tool wasm-host-build ## make an archive that runs on another Linux with QEMU alone
	@tools/dist/dist archive
check-repro: build ## build all that boots again in another folder, and compare the bytes
	@tools/dist/check-repro

## Checking
fmt: ## format everything
	$(NEED) rust go
	@$(CHECK) --fix format
fmt-check: ## fail if anything is not formatted
	$(NEED) rust go
	@$(CHECK) format
generate: ## write the generated files again
	$(NEED) rust capnp go
	@$(CHECK) --fix generated
generated-code-check: ## fail if a generated file is not what its source says
	$(NEED) rust capnp go
	@$(CHECK) generated
capos-rt-check: ## lint the runtime for its own target and run its host tests
	$(NEED) rust lld
	@$(CHECK) runtime
check: build ## everything that is checked without booting
	$(NEED) rust lld llvm go capnp shellcheck
	@$(CHECK)
test: setup ## check, host tests, every run verb, and the suites inside QEMU
	@$(TEST) all
test-all: setup ## the same with the suites in every cell of tests/matrix.toml: takes hours
	@$(TEST) whole

## Measuring
bench: ## count what operations and boots cost, in instructions; OPTIONS=--record writes them into the table
bench-check: ## fail if a count has moved from what is recorded
profile: ## instructions of a run by function; OPTIONS=what `capos run` takes
bench-reference: linux-kernel ## build the Linux guest, count it and record its results
linux-kernel:; $(NEED) linux
bench-wall: dist ## time `capos run` as it is installed beside an empty guest; OPTIONS=--record
bench-report: ## write the page of figures and its plots from what is recorded
bench bench-check bench-reference bench-report bench-wall profile: build wasm-empty-build wasm-hello-rust-build wasm-hello-c-build
	@$(BENCH) $@ $(OPTIONS)
