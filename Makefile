# What a person or CI does with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help demo tools test interop lint synth

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
	cargo test --locked --workspace --features tributary-tests/interop --test interop

## lint: formatting, clippy and documentation, no warning allowed
lint:
	@echo "==> lint: formatting"
	cargo fmt --all --check
	@echo "==> lint: clippy"
	cargo clippy --locked --workspace --all-targets --features tributary-tests/interop -- --deny warnings
	@echo "==> lint: documentation"
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps

## synth: the stacks' templates: type check, tests, synthesis, cdk-nag and cfn-lint, nothing built (needs Node 20)
synth:
	@echo "==> synth: cfn-lint"
	tests/tools/setup python
	@echo "==> synth: the CDK and its types"
	cd infra && npm ci
	cd infra && npm run check
	@echo "==> synth: tests of the templates"
	cd infra && npm test
	@echo "==> synth: the example stacks, checked by cdk-nag and cfn-lint"
	cd infra && npm run synth
	cd infra && ../.tools/venv/bin/cfn-lint
