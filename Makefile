.DEFAULT_GOAL := help
STATIC := lint importer docs typing ruff shell changelog install

.PHONY: help
help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

.PHONY: test
test:  ## install what tests need, then everything that CI asks for
	tests/run.sh demo integration:system.here integration:host.anywhere sanity:ends units:ends $(STATIC)

.PHONY: test-all
test-all:  ## sanity and units on every supported ansible-core
	tests/run.sh sanity:all units:all

.PHONY: unit
unit:  ## unit tests on the oldest and the newest ansible-core
	tests/run.sh units:ends

.PHONY: sanity
sanity:  ## ansible-test sanity on the oldest and the newest ansible-core
	tests/run.sh sanity:ends

.PHONY: lint
lint:  ## linters, types, documentation, changelog, build and install
	tests/run.sh $(STATIC)

.PHONY: integration
integration:  ## tests against a real libvirt daemon
	tests/run.sh integration:system.here integration:host.anywhere

.PHONY: test-matrix
test-matrix:  ## the same over ssh, and against libvirt 11 and 12 of newer Debian suites
	STAGE_SECONDS=14400 tests/run.sh integration:ssh integration:trixie integration:forky

.PHONY: demo
demo:  ## the main job, start to end, on this machine
	scripts/demo.sh

.PHONY: demo-clean
demo-clean:  ## remove what the demo made
	scripts/demo.sh clean

.PHONY: clean
clean:  ## remove what tests and builds left
	rm -rf .venv .cache tests/output golden-libvirt-*.tar.gz
