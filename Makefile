# Breakwater. `make` alone lists what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LISTEN  ?= 127.0.0.1:8080
DATA    ?= data
# How long each fuzz target runs.
FUZZTIME ?= 20s

BUILD_FLAGS := -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'
LINT := $(GO) tool -modfile=tools/go.mod golangci-lint
UNIT = $$($(GO) list ./... | grep -v '/integration/')

.NOTPARALLEL:
.PHONY: help build cross run test test-short test-unit test-client test-integration tools images fmt lint fuzz bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

build: ## build the static binary bin/breakwater
	CGO_ENABLED=0 $(GO) build $(BUILD_FLAGS) -o bin/breakwater ./cmd/breakwater

run: build ## build, start on LISTEN (127.0.0.1:8080) with its data in DATA (data)
	@echo "Open http://$(LISTEN)/ in a browser; Ctrl-C stops."
	@exec bin/breakwater serve --listen $(LISTEN) --data $(DATA)

test: tools images build test-client test-unit test-integration ## everything; installs what is missing on Debian

test-short: ## unit tests without the race detector, no browser, no processes
	$(GO) test -short $(UNIT)

test-unit: ## unit tests with the race detector
	$(GO) test -race -count=1 -timeout 8m $(UNIT)

test-client: ## tests of the browser client (Node)
	node --test client/js/test/*.test.js

# Tests of the contract that start an embedded server of their own, or speak below
# HTTP: they are the same whatever the suite runs against.
ALONE := Hostile|Raw|Drain|SecondSignal|Restart|AKilledServer|CommandLine|NoTokenIsLogged|DataFolder|BusyPort|AreMetered|TokensOf|KeyOutlivesIt|TokenThatExpires

# One package at a time: they start services, servers and browsers and watch clocks.
test-integration: ## real services and the binary as a whole: contract, cluster, crashes, browser
	$(GO) test -p 1 -count=1 -timeout 15m ./integration/...
	BREAKWATER_CONTRACT=nginx $(GO) test -count=1 -timeout 10m -skip '$(ALONE)' ./integration/contract
	BREAKWATER_CONTRACT=servers $(GO) test -count=1 -timeout 10m -skip '$(ALONE)' ./integration/contract

tools: ## check for Node, Chromium and nginx; as root on Debian, install what is missing
	scripts/tools

images: ## pull or build the images of Redis, MySQL and Elasticsearch; as root on Debian, install and start Docker
	integration/images/build

fmt: ## format all Go code
	$(LINT) fmt

lint: ## run every linter named in .golangci.yml (the first time builds them)
	$(LINT) run
	$(GO) mod tidy -diff

cross: ## build for a system without epoll (macOS)
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/breakwater

fuzz: ## run every fuzz target for FUZZTIME (20s)
	scripts/fuzz $(FUZZTIME)

bench: build ## measure memory, CPU and latency beside a reference (2 minutes)
	$(GO) build -o bin/bench ./bench
	bin/bench -binary bin/breakwater -json bin/bench.json

clean: ## remove what make built
	rm -rf bin
