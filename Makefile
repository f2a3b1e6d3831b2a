# What a person or CI does with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help demo tools test interop lint

## help: this list
help:
	@sed -n 's/^## \([a-z]*\): /  make \1	/p' $(MAKEFILE_LIST)

## demo: the whole stream on this machine, no cloud, no broker to install (ARGS="--help" for its options)
demo:
	@echo "==> demo: sample events into an Iceberg table (the first build takes some minutes)"
	cargo run --locked --package tributary-local --bin tributary -- demo $(ARGS)

## tools: what the tests run beside the product, into .tools/ (needs Python 3.11, Java 17; nothing to do the second time)
tools:
	@echo "==> tools: the AWS server, the table readers, the Kafka broker"
	tests/tools/setup

## test: every test, against real servers on loopback (brings the tools first)
test: tools
	@echo "==> test: all crates"
	cargo test --locked --workspace

## interop: Spark and Trino against our tables and ours against theirs (brings both; needs Java 17 and a JDK 25, and Maven)
interop: tools
	@echo "==> interop: Spark and Trino"
	tests/tools/setup spark trino
	cargo test --locked --package tributary-tests --features interop --test interop

## lint: formatting, clippy and documentation, no warning allowed
lint:
	@echo "==> lint: formatting"
	cargo fmt --all --check
	@echo "==> lint: clippy"
	cargo clippy --locked --workspace --all-targets --features tributary-tests/interop -- --deny warnings
	@echo "==> lint: documentation"
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps
