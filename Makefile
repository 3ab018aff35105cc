# Every target works on a fresh clone with Go, a C compiler (for the race
# detector) and Python 3.11 or newer (for the clients that the tests run).

# The flags are xcaddy's own, so that `go build`, `go test` and xcaddy share one
# build cache instead of compiling Caddy once each.
export GOFLAGS := -buildvcs=false -trimpath -tags=nobadger,nomysql,nopgx
export CGO_ENABLED := 0

LDFLAGS := -w -s
GOLANGCI_VERSION := v2.15.0
GOLANGCI := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)
BENCHTIME ?= 0.5s
BENCH ?= # arguments of tests/bench/run.py, as in BENCH='--quick serve'

.DEFAULT_GOAL := help
.PHONY: help build run test unit e2e race lint bench fuzz xcaddy venv clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/fairway, a static binary
	go build -ldflags "$(LDFLAGS)" -o bin/fairway ./cmd/fairway

run: build ## Build and run the gateway with Caddyfile.example; prints the first admin key
	FAIRWAY_FIRST_KEY=print bin/fairway run --config Caddyfile.example

test: build unit e2e ## Run every test, real clients included

unit: ## Run the tests that need no client, with the race detector
	CGO_ENABLED=1 go test -race -timeout 20m $$(go list ./... | grep -v /tests)

e2e: build race venv ## Run the tests that drive bin/fairway with real clients
	FAIRWAY_BIN=$(CURDIR)/bin/fairway FAIRWAY_RACE_BIN=$(CURDIR)/.cache/bin/fairway-race FAIRWAY_VENV=$(CURDIR)/.cache/venv \
		go test -count 1 -parallel 4 -timeout 20m ./tests/...

race: ## Build the gateway with the race detector, for the tests
	CGO_ENABLED=1 go build -race -o .cache/bin/fairway-race ./cmd/fairway

venv: ## Install the clients that the tests run into .cache/venv
	@./tests/venv.sh

lint: $(GOLANGCI) ## Check formatting and run the linters
	$(GOLANGCI) run ./...

$(GOLANGCI):
	GOBIN=$(CURDIR)/.cache/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .cache/bin/golangci-lint $@

bench: build ## Run the benchmarks; docs/performance.md says how to read them
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $$(go list ./... | grep -v /tests)
	./tests/venv.sh conda peers
	python3 tests/bench/run.py $(BENCH)

xcaddy: ## Build bin/caddy from xcaddy.json with xcaddy
	./tests/xcaddy.sh bin/caddy

clean: ## Remove what was built; keeps data/
	rm -rf bin .cache
