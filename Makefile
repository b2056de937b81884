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

# Whatever is built with the race detector would rest for a second before it ends: each
# package of tests, and hundreds of servers.
export GORACE := atexit_sleep_ms=0

.NOTPARALLEL:
.PHONY: help build drills drills-negative cross run test test-short test-unit test-client test-integration tools images fmt lint fuzz bench clean

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
ALONE := Hostile|Raw|Drain|SecondSignal|Restart|AKilledServer|AClockThatJumps|CommandLine|NoTokenIsLogged|DataFolder|BusyPort|AreMetered|TokensOf|KeyOutlivesIt|TokenThatExpires

# Tests that spend most of their time waiting: for outages, leases and deadlines. Each
# package has services and servers of its own, so two run at a time: first the longest,
# last those that would keep the disk from it.
WAITING := $(addprefix ./integration/,cluster contract browser deploy playback rediscache elastic client crash drill mysqlstore redisbroker)
# Services whose addresses are given are the same for all.
AT_ONCE = $(if $(BREAKWATER_TEST_REDIS)$(BREAKWATER_TEST_MYSQL)$(BREAKWATER_TEST_ELASTICSEARCH),1,2)
# All others need the whole machine, or look at what other tests leave on it.
BUSY = $(filter-out $(WAITING),$(patsubst %/,./%,$(sort $(dir $(wildcard integration/*/*_test.go)))))

test-integration: ## real services and the binary as a whole: contract, cluster, crashes, browser, storms
	$(GO) test -p $(AT_ONCE) -count=1 -timeout 25m $(WAITING)
	$(GO) test -p 1 -count=1 -timeout 15m $(BUSY)
	BREAKWATER_CONTRACT=nginx $(GO) test -count=1 -timeout 10m -skip '$(ALONE)' ./integration/contract

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

drills: build ## hurt a cluster in every known way and judge what its users saw; reports in bin/drills
	bin/breakwater drill all --out bin/drills

drills-negative: ## take each mechanism away and want its drill to fail; reports in bin/drills
	CGO_ENABLED=0 $(GO) build $(BUILD_FLAGS) -tags ablation -o bin/breakwater-ablation ./cmd/breakwater
	bin/breakwater-ablation drill --negative --out bin/drills
	! BREAKWATER_ABLATE=takeover $(GO) test -count=1 -run TestManyOrphans ./integration/cluster > bin/drills/takeover.log
	grep 'in vain for everybody to be told of' bin/drills/takeover.log

clean: ## remove what make built
	rm -rf bin
