// Package tests shows what only the whole gateway can show: bin/fairway, run as an
// operator runs it, with the real clients in front of it. `make e2e` builds what
// they need; tests/harness runs it.
package tests
